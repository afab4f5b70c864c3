"""Write tensors to safetensors files, and read them with more checks than the format requires."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cgkit.checkpoints import strict_json
from cgkit.errors import CheckpointError

_DTYPES = frozenset(
    {torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.bool}
    | {torch.int64, torch.int32, torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8}
)
_MAX_HEADER = 16 << 20  # bytes, enough for over 100,000 tensors; the library allows 100 MB
_IO_ERROR = re.compile(r"I/O error: (.*) \(os error ([0-9]+)\)")


def check_savable(tensors: Mapping[str, Tensor], *, what: str) -> None:
    """Raise CheckpointError for the first tensor that a safetensors file cannot store; `what` names the file."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise CheckpointError(f"{what}: {name} is a {type(tensor).__name__}, not a tensor")
        if tensor.layout != torch.strided or tensor.dtype not in _DTYPES:
            raise CheckpointError(f"{what}: {name} ({tensor.dtype}, {tensor.layout}) cannot be saved")
        if name == "__metadata__" or name.encode(errors="ignore").decode() != name:
            raise CheckpointError(f"{what}: {name!r} is not a valid tensor name")


def first_non_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor that contains NaN or infinity, or None if there is none."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() or tensor.is_complex():
            values = tensor.detach()
            # A sum that includes NaN or infinity is never finite, and summing is much faster than checking each number.
            if not torch.isfinite(values.sum()) and not torch.isfinite(values).all():
                return name
    return None


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to a safetensors file; they may have any strides, be on any device, and share memory.

    Contiguous CPU tensors with memory of their own are not copied. All others are copied to contiguous CPU memory,
    and the copies are kept until the file is written.

    Raises:
        OSError: The file cannot be written.
    """
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    try:
        save_file(_pack(tensors), path, metadata={"format": "pt"})
    except SafetensorError as error:
        if match := _IO_ERROR.search(str(error)):
            raise OSError(int(match[2]), match[1], str(path)) from error
        raise
    path.chmod(mode)  # restore the mode, since the library's new file ignores the umask


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, on the CPU, each in memory of its own.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not in safetensors format, repeats a name, or contains an unsupported dtype or values
            that are not finite.
    """
    _check_header(path)
    try:
        # Clone the tensors, because they are mapped from the file and would keep a pruned file's disk space allocated.
        tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    except (SafetensorError, RuntimeError, TypeError, OverflowError) as error:
        raise ValueError(f"not a safetensors file ({error})") from error
    for name, tensor in tensors.items():
        if tensor.dtype not in _DTYPES:
            raise ValueError(f"{name!r} has the unsupported dtype {tensor.dtype}")
    if bad := first_non_finite(tensors):
        raise ValueError(f"{bad!r} contains non-finite values")
    return tensors


def _pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors as contiguous CPU tensors that share no memory, as the library requires."""
    packed, storages = {}, set()
    for name, tensor in tensors.items():
        plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
        storage = plain.untyped_storage().data_ptr()
        packed[name] = plain.clone() if storage in storages else plain
        storages.add(storage)
    return packed


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _MAX_HEADER:
            raise ValueError(f"a header of {length} bytes is too long")
        strict_json.decode(file.read(length))  # refuse duplicate names, which the library accepts
