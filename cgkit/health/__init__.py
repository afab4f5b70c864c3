"""The health of a training run: measurements, the rules that evaluate them, and the notes on problems found."""
