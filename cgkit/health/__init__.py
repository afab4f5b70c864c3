"""Health of a training run: what is measured, the rules that evaluate it, and the notes they produce."""
