"""HTML reports of a single run, and comparisons of several runs."""
