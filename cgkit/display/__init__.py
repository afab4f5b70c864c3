"""How a run is shown to its user: in a terminal, in a notebook, or not at all."""
