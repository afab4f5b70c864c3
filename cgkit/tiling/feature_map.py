"""Feature maps that are larger than memory, in files that nobody sees."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile

import numpy as np
import torch
from torch import Tensor

from cgkit.errors import ResourceError
from cgkit.tiling.windows import Window


class FeatureMap:
    """`(C, H, W)` in a file without a name, which is gone when it is closed, however the process ends.

    It is read and written, not mapped: so what is in memory is one window. The channels of a pixel lie together.
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        self._shape = (channels, height, width)
        self._dtype: torch.dtype | None = None
        self._file = tempfile.TemporaryFile(prefix="cgkit-")  # noqa: SIM115  # it lives longer than this call

    def write(self, window: Window, values: Tensor) -> None:
        """Write `(1, C, h, w)`; all windows have one type.

        Raises:
            ResourceError: the disk is full.
        """
        self._dtype = values.dtype
        rows = values[0].permute(1, 2, 0).cpu().contiguous().view(torch.uint8).flatten(1).numpy()
        for row, content in enumerate(rows, start=window.top):
            self._write(content.data, self._place(row, window.left))

    def read(self, window: Window) -> Tensor:
        """Return `(1, C, h, w)` in channels_last."""
        assert self._dtype is not None, "nothing has been written"
        content = np.empty((window.height, window.width, self._shape[0] * self._dtype.itemsize), np.uint8)
        for row, into in enumerate(content, start=window.top):
            self._read(into.data.cast("B"), self._place(row, window.left))
        return torch.from_numpy(content).view(self._dtype).permute(2, 0, 1)[None]

    def close(self) -> None:
        """Forget everything."""
        self._file.close()

    def _place(self, row: int, column: int) -> int:
        assert self._dtype is not None
        channels, _, width = self._shape
        return (row * width + column) * channels * self._dtype.itemsize

    def _write(self, content: memoryview, place: int) -> None:
        try:
            while len(content):
                done = os.pwrite(self._file.fileno(), content, place)
                content, place = content[done:], place + done
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise _no_space(tempfile.gettempdir()) from error
            raise ResourceError(f"{tempfile.gettempdir()} cannot be written in: {error.strerror or error}") from error

    def _read(self, into: memoryview, place: int) -> None:
        while len(into):
            done = os.preadv(self._file.fileno(), [into], place)
            assert done, "what is read has not been written"
            into, place = into[done:], place + done


def check_space(needed: int) -> None:
    """Check that the folder of temporary files has room for so many bytes.

    Raises:
        ResourceError: it has not.
    """
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < needed:
        raise _no_space(folder, f"{needed / 1e9:.1f} GB are needed")


def _no_space(folder: str, more: str = "") -> ResourceError:
    what = f"{folder} has too little space for feature maps" + (f": {more}" if more else "")
    return ResourceError(what, hint="set TMPDIR to a folder on a larger disk")
