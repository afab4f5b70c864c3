"""Numbers that say how good translations are."""
