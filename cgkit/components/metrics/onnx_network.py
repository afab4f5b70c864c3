"""A network in an ONNX file of the user's, with the preparation of images that it expects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cgkit.errors import DataError, PluginError


@dataclass(frozen=True)
class OnnxNetwork:
    """A network that maps images `(N, C, H, W)` to one tensor, which ONNX Runtime computes on the CPU.

    An ONNX file has no code, only a graph of known operations. It is read whole and then run from memory, so that its
    checksum is that of the network, and no other file is opened.

    Attributes:
        file: the ONNX file; if its batch is fixed, it must be 1.
        size: the side in pixels of the squares that images are resized to; by default the size that the file declares.
        mean: subtracted from each channel of images in [0, 1]; nothing by default.
        std: what each channel is divided by after that; nothing by default.

    The properties and methods raise `DataError` if the file is not such a network, `PluginError` without ONNX Runtime.
    """

    file: Path
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def description(self) -> str:
        """The checksum of the file, and how images are prepared."""
        height, width = self._shape
        scale = "".join(
            f", {name} {' '.join(f'{value:g}' for value in values)}"
            for name, values in (("mean", self.mean), ("std", self.std))
            if values is not None
        )
        return f"onnx sha256:{_open(self.file)[1]}, {height}x{width} bicubic antialiased{scale}"

    def __call__(self, images: Tensor) -> Tensor:
        """Return the first output, float32, of images `(N, C, H, W)` in [0, 1].

        Raises:
            ValueError: the network does not take images of so many channels.
        """
        session, prepared = _open(self.file)[0], self._prepare(images.detach().float().cpu())
        name, batch = session.get_inputs()[0].name, session.get_inputs()[0].shape[0]
        parts = torch.split(prepared, batch if isinstance(batch, int) else len(prepared))
        try:
            outputs = [session.run(None, {name: part.numpy()})[0] for part in parts]
        except Exception as error:  # ONNX Runtime has an exception for each of its error codes
            raise DataError(
                f"{self.file} cannot compute images of {tuple(prepared.shape)}: {_reason(error)}"
            ) from error
        return torch.cat([torch.from_numpy(output).float() for output in outputs])

    @property
    def _shape(self) -> tuple[int, int]:
        """The height and width of the network's images."""
        if self.size is not None:
            return self.size, self.size
        height, width = _open(self.file)[0].get_inputs()[0].shape[2:]
        if not (isinstance(height, int) and isinstance(width, int)):
            raise DataError(f"{self.file} takes images of any size", hint="set the option size to that of its training")
        return height, width

    def _prepare(self, images: Tensor) -> Tensor:
        channels = _open(self.file)[0].get_inputs()[0].shape[1]
        wanted = channels if isinstance(channels, int) else 3
        if images.shape[1] not in (1, wanted):
            raise ValueError(f"the network takes images with {wanted} channels, not {images.shape[1]}")
        images = images.expand(-1, wanted, -1, -1)
        if images.shape[-2:] != self._shape:
            images = F.interpolate(images, self._shape, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
        if self.mean is not None:
            images = images - _by_channel(self.mean, wanted, "mean")
        if self.std is not None:
            images = images / _by_channel(self.std, wanted, "std")
        return images.contiguous()


def _by_channel(values: Sequence[float], channels: int, option: str) -> Tensor:
    if len(values) != channels:
        raise ValueError(f"{option} has {len(values)} numbers, but the network takes images with {channels} channels")
    return torch.tensor(values).view(1, channels, 1, 1)


@lru_cache(maxsize=2)
def _open(file: Path) -> tuple[Any, str]:
    """Return a session of ONNX Runtime and the checksum of the file."""
    try:
        import onnxruntime
    except ImportError as error:
        raise PluginError("onnxruntime is not installed", hint='pip install "cgkit[onnx]"') from error
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    settings.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has an exception for each of its error codes
        raise DataError(f"{file} is not a complete ONNX file: {_reason(error)}", hint=_ADVICE) from error
    inputs = session.get_inputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    if len(shape) != 4 or inputs[0].type != "tensor(float)" or (isinstance(shape[0], int) and shape[0] != 1):
        taken = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        raise DataError(f"{file} does not take one batch of images, but: {taken}", hint=_ADVICE)
    return session, hashlib.sha256(content).hexdigest()


_ADVICE = (
    "export a network of images (N, C, H, W), float32, with N of 1 or dynamic, into one file:"
    " torch.onnx.export(..., external_data=False)"
)


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
