"""The folder for what cgkit downloads, which may be deleted at any time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "CGKIT_CACHE"
"""The environment variable that names another folder."""


def cache_folder() -> Path:
    """Return the folder: that of the variable, or `cgkit` in the folder that the system has for caches of a user."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        parent = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        parent = Path.home() / "Library" / "Caches"
    else:
        parent = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(parent) / "cgkit"
