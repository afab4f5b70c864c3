"""Turn image records into training batches, and decide which images are paired at each step."""
