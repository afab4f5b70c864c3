"""Reading images safely; which images meet at which step."""
