"""The weights that a new run starts from."""

from cgkit.runs.starting.start import Started, start_from

__all__ = ["Started", "start_from"]
