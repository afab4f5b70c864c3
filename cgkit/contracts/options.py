"""What the options of components are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Size = tuple[int, int]
"""Height and width in pixels."""

Options = Mapping[str, Any]
"""The options of a component by name, as in a spec."""
