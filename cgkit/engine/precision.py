"""Which number format a run computes in, on which device."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from cgkit.errors import UsageError


@dataclass(frozen=True)
class Precision:
    """A number format: `fp64`, `fp32` or `bf16`.

    With bf16 the parameters, the losses and the optimiser stay in float32; only the networks' multiplications are
    done in bfloat16.
    """

    name: str
    device: torch.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of parameters and images."""
        return torch.float64 if self.name == "fp64" else torch.float32

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which networks run; a weight is cast once as long as it is not left."""
        if self.name != "bf16":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def as_written(self) -> AbstractContextManager[None]:
        """Return the context, within the other, in which everything is computed in the type that it has."""
        if self.name != "bf16":
            return nullcontext()
        return torch.autocast(self.device.type, enabled=False)


def choose_device(name: str | None = None) -> torch.device:
    """Return the device called `name`; without a name, CUDA where there is one, else the CPU.

    Where torchrun started several processes on a machine, each takes the GPU of its own number.

    Raises:
        UsageError: there is no such device.
    """
    if name is None:
        if not torch.cuda.is_available():
            return torch.device("cpu")
        if "LOCAL_RANK" not in os.environ:
            return torch.device("cuda")
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise UsageError(f"process {local} of this machine has no GPU: there are {torch.cuda.device_count()}")
        torch.cuda.set_device(local)
        return torch.device("cuda", local)
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f'there is no device "{name}": {reason}', hint="use cpu, cuda or cuda:N") from None
    return device


def choose_precision(name: str, device: torch.device) -> Precision:
    """Return the precision that a spec asks for; `auto` is bf16 where the hardware multiplies it natively."""
    if name == "auto":
        name = "bf16" if multiplies_bf16(device) else "fp32"
    return Precision(name, device)


def multiplies_bf16(device: torch.device) -> bool:
    """Return whether a device has bf16 multiplications of its own: AMX or AVX512-BF16, or an sm80 GPU and later."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
        return any(probe() for probe in probes if probe is not None)
    return False
