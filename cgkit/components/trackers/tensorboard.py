"""A run's numbers as curves for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cgkit.errors import PluginError


class TensorBoard:
    """Curves for TensorBoard.

    The events are in the folder `tensorboard` of the run; `tensorboard --logdir` shows them.

    Raises:
        PluginError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise PluginError(
                "the tensorboard tracker needs the package tensorboard", hint='pip install "cgkit[tensorboard]"'
            ) from error
        self.path = folder / "tensorboard"
        self._open = SummaryWriter
        self._writer = SummaryWriter(self.path)

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Write a point of every curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def rewind(self, step: int) -> None:
        """Hide the points after `step`: what is written from here on replaces them."""
        self._writer.close()
        self._writer = self._open(self.path, purge_step=step + 1)

    def close(self) -> None:
        """Flush and close the file of events."""
        self._writer.close()
