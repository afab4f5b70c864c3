"""The progress of a run: measured, written to its folder, and followed from elsewhere."""
