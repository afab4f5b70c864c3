"""A run on one page of HTML, and several runs beside each other."""
