"""The device of a run, and the number format that it computes in."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from cgkit.errors import CgkitWarning, UsageError

CHANNELS_LAST_FROM = 128
"""The side in pixels from which channels_last is faster on a CPU: a bf16 step by 3 % at 128 pixels and by 10 % at 256,
but at 64 pixels it is 25 % slower. In fp32, the residual blocks' convolutions need it."""


@dataclass(frozen=True)
class Precision:
    """A number format, `fp64`, `fp32`, `tf32` or `bf16`, on a device.

    With tf32, numbers are float32, but a GPU rounds the factors of products to 10 bits (see `arithmetic`). With bf16,
    the parameters, losses and optimiser state stay in float32; only the networks compute in bfloat16.
    """

    name: str
    device: torch.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of parameters and images."""
        return torch.float64 if self.name == "fp64" else torch.float32

    def convert(
        self, files: Mapping[str, Mapping[str, Tensor]], *, saved_as: str
    ) -> Mapping[str, Mapping[str, Tensor]]:
        """Return saved tensors in this precision's dtype, if they were saved in a precision with another one."""
        if (saved_as == "fp64") == (self.name == "fp64"):
            return files
        # Scalars, such as an optimiser's number of steps, have the same dtype in every precision.
        return {
            file: {
                name: tensor.to(self.dtype) if tensor.is_floating_point() and tensor.ndim else tensor
                for name, tensor in tensors.items()
            }
            for file, tensors in files.items()
        }

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context manager to run the networks in. With bf16, it casts each weight only once."""
        if self.name == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return self.products() if self.device.type == "cuda" else nullcontext()

    @contextmanager
    def products(self) -> Iterator[None]:
        """Let a GPU round the factors of fp32 products only with tf32; by default, torch does so in convolutions."""
        convolutions, matrices = torch.backends.cudnn.conv, torch.backends.cuda.matmul  # type: ignore[attr-defined]
        before = convolutions.fp32_precision, matrices.fp32_precision
        convolutions.fp32_precision = matrices.fp32_precision = "tf32" if self.name == "tf32" else "ieee"
        try:
            yield
        finally:
            convolutions.fp32_precision, matrices.fp32_precision = before

    def full(self) -> AbstractContextManager[None]:
        """Return a context manager that disables autocast, for use inside the context of `autocast()`."""
        if self.name != "bf16":
            return nullcontext()
        return torch.autocast(self.device.type, enabled=False)

    def place(self, images: Tensor) -> Tensor:
        """Return images on the device, in this precision's dtype and in the faster memory format for their size."""
        images = images.to(self.device, self.dtype, non_blocking=True)
        channels_last = self.device.type == "cpu" and min(images.shape[-2:]) >= CHANNELS_LAST_FROM
        return images.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def choose_device(name: str | None = None) -> torch.device:
    """Return the device called `name`; by default CUDA or MPS if available, otherwise the CPU.

    In a process that torchrun started, the default is the GPU whose number is the process's local rank.

    Raises:
        UsageError: the device does not exist, or this machine has fewer GPUs than processes.
    """
    if name is None:
        if not torch.cuda.is_available():
            return _choose_mps() if torch.backends.mps.is_available() else torch.device("cpu")
        if "LOCAL_RANK" not in os.environ:
            return torch.device("cuda")
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise UsageError(f"there is no GPU for local rank {local}: this machine has {torch.cuda.device_count()}")
        torch.cuda.set_device(local)
        return torch.device("cuda", local)
    if name.partition(":")[0] == "mps" and not torch.backends.mps.is_available():
        raise UsageError('there is no device "mps": it needs a Mac with an Apple GPU', hint="use cpu, cuda or cuda:N")
    if name == "mps":
        return _choose_mps()
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f'there is no device "{name}": {reason}', hint="use cpu, cuda or cuda:N") from None
    return device


def _choose_mps() -> torch.device:
    warnings.warn("cgkit has not been tested on Apple GPUs; --device cpu avoids them", CgkitWarning, stacklevel=3)
    return torch.device("mps")


def choose_precision(name: str, device: torch.device) -> Precision:
    """Return the precision called `name`; `auto` means bf16 if the device multiplies bf16 natively, otherwise fp32."""
    if name == "auto":
        name = "bf16" if multiplies_bf16(device) else "fp32"
    return Precision(name, device)


def multiplies_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies bf16 natively: a CPU with AMX or AVX512-BF16, or a GPU of capability 8.0+."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
        return any(probe() for probe in probes if probe is not None)
    return False
