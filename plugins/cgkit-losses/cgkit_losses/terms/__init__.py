"""Terms of the generators' objective."""
