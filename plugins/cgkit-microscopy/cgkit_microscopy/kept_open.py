"""Files that a process keeps open while it reads training images from them."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tifffile import TiffFile

MOST = 32
"""The most files that are open in a process."""

_OPEN: OrderedDict[Any, tuple[TiffFile, Any]] = OrderedDict()


def keep_open(path: Path, key: object, prepare: Callable[[TiffFile], Any]) -> Any:
    """Open a file, unless this process has it open, and return what `prepare` makes of it.

    Args:
        path: the file.
        key: what `prepare` depends on.
        prepare: called with the open file.
    """
    entry = os.getpid(), path, key  # a forked process would share the position in an open file
    if entry not in _OPEN:
        file = TiffFile(path)
        _OPEN[entry] = file, prepare(file)
    _OPEN.move_to_end(entry)
    while len(_OPEN) > MOST:
        _OPEN.popitem(last=False)[1][0].close()
    return _OPEN[entry][1]
