"""Decoded volumes that a process keeps in memory, since a compressed file can only be decoded from its beginning."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cgkit_medical.opening import open_volume
from cgkit_medical.padding import padding_of, without_padding

Key = tuple[Path, tuple[float, ...] | None]


class Decoded:
    """The volumes that were used last, up to a number of bytes; at least one."""

    def __init__(self) -> None:
        self._volumes: OrderedDict[Key, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path, padding: Sequence[float] | None, limit: int) -> NDArray[Any]:
        """Return the values of a volume, with padding at the low end; decode it if necessary.

        Args:
            path: the volume.
            padding: values declared to be padding; None to look for the usual ones.
            limit: the number of bytes to keep.
        """
        key = path, None if padding is None else tuple(padding)
        with self._lock:
            if key in self._volumes:
                self._volumes.move_to_end(key)
                return self._volumes[key]
            volume = open_volume(path)
            values = volume.read()
            values = without_padding(values, padding_of(values, volume, padding))
            self._volumes[key] = values
            while len(self._volumes) > 1 and sum(each.nbytes for each in self._volumes.values()) > limit:
                self._volumes.popitem(last=False)
            return values


DECODED = Decoded()
"""The volumes of this process: both domains share the memory."""
