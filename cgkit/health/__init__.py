"""Whether a training goes as it should: what is measured, the rules that judge it, and the notes that come of it."""
