"""The spec: its structure, and how it is read from files, with errors that name the file and line."""

from __future__ import annotations

from cgkit.spec.loading import load_spec, resolve_spec
from cgkit.spec.model import Spec
from cgkit.spec.tables import Use

__all__ = ["Spec", "Use", "load_spec", "resolve_spec"]
