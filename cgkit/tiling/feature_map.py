"""Feature maps on disk, for intermediate results that do not fit into memory."""

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
    """A feature map `(C, H, W)` in an unnamed temporary file, which disappears even if the process is killed.

    The file is read and written explicitly instead of memory-mapped, so that only the current window is in memory. The
    values of a pixel in all channels are adjacent in the file.
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        self._shape = (channels, height, width)
        self._dtype: torch.dtype | None = None
        self._file = tempfile.TemporaryFile(prefix="cgkit-")  # noqa: SIM115  # closed by close()

    def write(self, window: Window, values: Tensor) -> None:
        """Write a window, `(1, C, h, w)`; all windows must have the same dtype.

        Raises:
            ResourceError: the disk is full, or the file cannot be written.
        """
        self._dtype = values.dtype
        rows = values[0].permute(1, 2, 0).cpu().contiguous().view(torch.uint8).flatten(1).numpy()
        for row, content in enumerate(rows, start=window.top):
            self._write(content.data, self._offset(row, window.left))

    def read(self, window: Window) -> Tensor:
        """Read a window that has been written; return it as `(1, C, h, w)` in channels_last."""
        assert self._dtype is not None, "nothing has been written"
        content = np.empty((window.height, window.width, self._shape[0] * self._dtype.itemsize), np.uint8)
        for row, buffer in enumerate(content, start=window.top):
            self._read(buffer.data.cast("B"), self._offset(row, window.left))
        return torch.from_numpy(content).view(self._dtype).permute(2, 0, 1)[None]

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def _offset(self, row: int, column: int) -> int:
        assert self._dtype is not None
        channels, _, width = self._shape
        return (row * width + column) * channels * self._dtype.itemsize

    def _write(self, content: memoryview, offset: int) -> None:
        try:
            while len(content):
                written = os.pwrite(self._file.fileno(), content, offset)
                content, offset = content[written:], offset + written
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise _no_space(tempfile.gettempdir()) from error
            raise ResourceError(f"cannot write to {tempfile.gettempdir()}: {error.strerror or error}") from error

    def _read(self, buffer: memoryview, offset: int) -> None:
        while len(buffer):
            count = os.preadv(self._file.fileno(), [buffer], offset)
            assert count, "this window has not been written"
            buffer, offset = buffer[count:], offset + count


def check_space(needed: int) -> None:
    """Check that the folder for temporary files has `needed` bytes of free space.

    Raises:
        ResourceError: the folder has less free space.
    """
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < needed:
        raise _no_space(folder, f": {needed / 1e9:.1f} GB are needed")


def _no_space(folder: str, details: str = "") -> ResourceError:
    message = f"{folder} has too little space for feature maps{details}"
    return ResourceError(message, hint="set TMPDIR to a folder on a larger disk")
