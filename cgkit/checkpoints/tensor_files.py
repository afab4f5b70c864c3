"""Tensors in the safetensors format, written one tensor at a time and read with more checks than the format asks for.

`safetensors.torch.save_file` neither waits for the disk nor follows the umask, copies everything before it writes, and
wants contiguous tensors that share no memory. The format is simple (https://github.com/huggingface/safetensors#format):
the length of the header in eight bytes, the header in JSON, the tensors' bytes. So we write it ourselves and leave
the reading, where a file may be hostile, to the library.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cgkit.checkpoints import strict_json
from cgkit.errors import CheckpointError

_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.complex64: "C64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_NAMES = frozenset(_DTYPES.values())
_METADATA = "__metadata__"
_ALIGNMENT = 8
_LARGEST_HEADER = 16 << 20  # bytes: over 100,000 tensors; the library allows 100 MB


def check_savable(tensors: Mapping[str, Tensor], *, what: str) -> None:
    """Raise CheckpointError where something cannot be put into a file, naming the first such tensor."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise CheckpointError(f"{what}: {name} is a {type(tensor).__name__}, not a tensor")
        if tensor.layout != torch.strided or tensor.dtype not in _DTYPES:
            raise CheckpointError(f"{what}: a tensor like {name} ({tensor.dtype}, {tensor.layout}) cannot be saved")
        if name == _METADATA or not _is_utf8(name):
            raise CheckpointError(f"{what}: {name!r} cannot be the name of a tensor in a file")


def first_non_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor with a NaN or an infinity in it, None where there is none."""
    for name, tensor in tensors.items():
        if (tensor.is_floating_point() or tensor.is_complex()) and not _is_finite(tensor.detach()):
            return name
    return None


def encoded_size(tensors: Mapping[str, Tensor]) -> int:
    """Return the size in bytes of the file that `encode` makes."""
    return len(_header(tensors)) + sum(_bytes(tensor) for tensor in tensors.values())


def encode(tensors: Mapping[str, Tensor]) -> Iterator[memoryview | bytes]:
    """Yield the bytes of a safetensors file, whatever the tensors' strides and devices, one tensor at a time."""
    yield _header(tensors)
    for name in _file_order(tensors):
        # A plain contiguous copy on the CPU; no copy at all where it is one already.
        plain = tensors[name].detach().resolve_conj().resolve_neg().cpu().contiguous()
        # Not `reshape(-1)`: a tensor of one number or none is contiguous with any stride, and then keeps it.
        yield plain.as_strided((plain.numel(),), (1,)).view(torch.uint8).numpy().data


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file, by name, on the CPU and in memory of their own.

    Raises:
        ValueError: It is not a safetensors file, names a tensor twice, or holds a dtype or a value that we never write.
    """
    _check_header(path)
    try:
        # Cloned: else they would be maps of the file, which keep its space on the disk taken after it is pruned.
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, RuntimeError, TypeError, OverflowError) as error:
        raise ValueError(f"not a safetensors file ({error})") from error
    if name := first_non_finite(tensors):
        raise ValueError(f"{name!r} has values that are not finite")
    return tensors


def _is_finite(tensor: Tensor) -> bool:
    # A sum with a NaN or an infinity in it is never finite, and costs far less than a look at each number.
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LARGEST_HEADER:
            raise ValueError(f"a header of {length} bytes is too long")
        text = file.read(length)
    header = strict_json.decode(text)
    if not isinstance(header, dict):
        raise ValueError("the header is not a table")
    for name, entry in header.items():
        if name != _METADATA and not (isinstance(entry, dict) and entry.get("dtype") in _NAMES):
            raise ValueError(f"{name!r} has no dtype that is known here")


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    header: dict[str, Any] = {_METADATA: {"format": "pt"}}
    start = 0
    for name in _file_order(tensors):
        tensor = tensors[name]
        end = start + _bytes(tensor)
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _file_order(tensors: Mapping[str, Tensor]) -> list[str]:
    # The widest first, so that each tensor starts at a multiple of its own width, as readers that map the file need.
    return sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))


def _bytes(tensor: Tensor) -> int:
    return math.prod(tensor.shape) * tensor.element_size()


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
