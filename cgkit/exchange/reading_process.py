"""A process of its own in which a file that may be hostile is read, and its tensors are written as safetensors.

`cgkit.exchange.foreign_files` starts it as a script. It imports nothing of the package, and torch only once the file's
table of contents has been looked at.
"""

from __future__ import annotations

import os
import pickle
import re
import resource
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

REFUSED = 3
"""The exit code where the last line on stderr says why."""

_ZIP = b"PK\x03\x04"
_CONTENTS_MEMORY = 1 << 30
"""Bytes of memory in which a table of contents must fit."""
_DEEPEST = 6
_MOST_TENSORS = 100_000
_SEVERAL_NAMES = 4
"""How many times the file's size its tensors may have: one may go by several names."""


class RefusedError(Exception):
    """The file is not read, for a reason in words."""


def main(file: Path, output: Path) -> None:
    """Read the tensors of a file and write them to another, or exit with `REFUSED`."""
    try:
        check_archive(file)
        import torch  # noqa: F401 - takes its memory before the limit is set
        from safetensors.torch import save_file

        size = file.stat().st_size
        _limit_resources(size)
        save_file(read_tensors(file), output)
    except RefusedError as refusal:
        _refuse(str(refusal))
    except MemoryError:
        _refuse("it needs more memory than a file of its size may")


def check_archive(file: Path) -> None:
    """Check what a zip file says of its parts, before any of them is read; other files pass.

    torch.save compresses nothing, so the parts cannot be larger than the file.

    Raises:
        RefusedError: they claim to be, or the table of contents is damaged.
    """
    with file.open("rb") as opened:
        if opened.read(len(_ZIP)) != _ZIP:
            return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + _CONTENTS_MEMORY, hard))
    try:
        with zipfile.ZipFile(file) as archive:
            claimed = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, OverflowError) as error:
        raise RefusedError(f"it is a damaged zip file: {error}") from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    size = file.stat().st_size
    if claimed > size:
        raise RefusedError(
            f"its parts would be {claimed:,} bytes unpacked, more than the {size:,} of the file: weights are saved "
            "without compression"
        )


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, in memory of their own; the names in nested tables are joined with dots.

    Raises:
        RefusedError: it asks for anything but tensors and plain values, is damaged, or its tensors are larger than it.
    """
    import torch

    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RefusedError(_explained(error)) from error
    except MemoryError:
        raise
    except Exception as error:  # a hostile or damaged file may make it raise anything
        raise RefusedError(f"it cannot be read: {type(error).__name__}: {error}") from error
    found: dict[str, Tensor] = {}
    for name, tensor in _tensors_in(content):
        if name in found or len(found) == _MOST_TENSORS:
            raise RefusedError(f"{name!r} is there twice" if name in found else f"over {_MOST_TENSORS:,} tensors")
        found[name] = _plain(name, tensor)
    if not found:
        raise RefusedError("there is no tensor in it")
    total = sum(tensor.numel() * tensor.element_size() for tensor in found.values())
    size = file.stat().st_size
    if total > _SEVERAL_NAMES * size:
        raise RefusedError(f"its tensors would take {total:,} bytes, and the file has {size:,}")
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in found.items()}


def _tensors_in(content: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the tensors in nested tables; other values (an epoch, a learning rate) are passed over."""
    import torch

    if isinstance(content, torch.Tensor):
        yield prefix or "tensor", content
    elif isinstance(content, Mapping) and depth < _DEEPEST:
        for key, value in content.items():
            if isinstance(key, str):
                yield from _tensors_in(value, f"{prefix}.{key}" if prefix else key, depth + 1)


def _plain(name: str, tensor: Tensor) -> Tensor:
    import torch

    kinds = (torch.Tensor, torch.nn.Parameter)
    # Of a tensor that lies elsewhere, or in another form, not even the size can be trusted.
    if (
        type(tensor) not in kinds
        or tensor.layout != torch.strided
        or tensor.device.type != "cpu"
        or tensor.is_quantized
    ):
        raise RefusedError(f"{name!r} is no plain tensor ({type(tensor).__name__}, {tensor.layout}, {tensor.device})")
    return tensor.detach()


def _explained(error: Exception) -> str:
    asked = re.search(r"GLOBAL ([\w.]+)", str(error))
    if asked:
        return f"it asks for {asked[1]}, and only tensors and plain values are read; save the network's state_dict()"
    return f"it is damaged, or holds more than tensors and plain values: {error}"


def _limit_resources(size: int) -> None:
    """Let this process have what reading a file of that size takes, and not much more."""
    memory = _address_space() + (512 << 20) + 3 * _SEVERAL_NAMES * size
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 30 + size // (20 << 20)
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: (64 << 20) + _SEVERAL_NAMES * size,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def _address_space() -> int:
    """Return how many bytes of addresses this process has; 0 where that cannot be known, so that torch needs room."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 64 << 30


def _refuse(reason: str) -> None:
    line = " ".join(reason.split())
    print("".join(letter if letter.isprintable() else "?" for letter in line)[:600], file=sys.stderr)  # noqa: T201
    sys.exit(REFUSED)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
