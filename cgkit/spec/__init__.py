"""The spec: its structure, and reading it from files, with errors that have file and line."""

from __future__ import annotations

from cgkit.spec.loading import load_spec, resolve_spec
from cgkit.spec.model import Spec
from cgkit.spec.tables import Use

__all__ = ["Spec", "Use", "load_spec", "resolve_spec"]
