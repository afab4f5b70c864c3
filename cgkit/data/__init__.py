"""From image records to training batches; which images meet at which step."""
