"""Turn image records into training batches, and decide which images meet at which step."""
