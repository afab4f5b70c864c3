"""A run's metrics as TensorBoard curves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cgkit.errors import PluginError


class TensorBoard:
    """Curves for TensorBoard.

    Event files are written to `tensorboard` in the run folder; view them with `tensorboard --logdir FOLDER`.

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
        """Add a point to each curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def rewind(self, step: int) -> None:
        """Hide the points of all steps after `step`, because new points will replace them."""
        self._writer.close()
        self._writer = self._open(self.path, purge_step=step + 1)

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()
