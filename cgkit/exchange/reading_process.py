"""A separate process that reads a possibly hostile file and writes its tensors as safetensors.

`cgkit.exchange.foreign_files` starts this module as a script. It imports nothing else of cgkit, and imports torch only
after checking the file's table of contents.
"""

from __future__ import annotations

import os
import pickle
import re
import resource
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

REFUSED = 3
"""The exit code if the file is refused; the last line of stderr then gives the reason."""

_ZIP = b"PK\x03\x04"
_CONTENTS_MEMORY = 1 << 30
"""Bytes of memory allowed for reading a zip file's table of contents."""
_MAX_DEPTH = 6
_MAX_TENSORS = 100_000
_MAX_EXPANSION = 4
"""Largest total size of the tensors relative to the file; above 1, since a tensor may occur under several names."""


class RefusedError(Exception):
    """The file is refused; the message says why."""


def main(file: Path, output: Path) -> None:
    """Read the tensors of `file` and write them to `output` as safetensors, or exit with the code `REFUSED`."""
    try:
        check_archive(file)
        import torch  # noqa: F401 - allocates its memory before the limit is set
        from safetensors.torch import save_file

        size = file.stat().st_size
        _limit_resources(size)
        save_file(read_tensors(file), output)
    except RefusedError as refusal:
        _refuse(str(refusal))
    except MemoryError:
        _refuse("reading it takes more memory than is allowed for a file of its size")


def check_archive(file: Path) -> None:
    """Check the parts of a zip file before anything is unpacked; torch.save does not compress, so none can be larger.

    Raises:
        RefusedError: the parts claim to be larger than the file, are not torch's, or their table is damaged.
    """
    with file.open("rb") as opened:
        if opened.read(len(_ZIP)) != _ZIP:
            return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + _CONTENTS_MEMORY, hard))
    try:
        with zipfile.ZipFile(file) as archive:
            claimed = sum(part.file_size for part in archive.infolist())
            _refuse_other_archives(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, OverflowError) as error:
        raise RefusedError(f"it is a damaged zip file: {error}") from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    size = file.stat().st_size
    if claimed > size:
        raise RefusedError(
            f"its parts would unpack to {claimed:,} bytes, but the file has {size:,}; weights are saved uncompressed"
        )


def _refuse_other_archives(names: list[str]) -> None:
    """Say what a zip file with these parts is, and what to do, if torch.save did not write it."""
    save = "if you trust it, save torch.{}(FILE).state_dict{} with torch.save, and import that"
    endings = {
        "/constants.pkl": f"a TorchScript program; {save.format('jit.load', '()')}",
        "/archive_format": f"a program of torch.export; {save.format('export.load', '')}",
        ".weights.h5": "a Keras model; cgkit imports the weights of PyTorch networks",
        ".npy": "an archive of NumPy arrays; cgkit imports the weights of PyTorch networks",
    }
    for ending, kind in endings.items():
        if any(name.endswith(ending) for name in names):
            raise RefusedError(f"it is {kind}")
    if any(name.endswith("/data.pkl") for name in names):
        return
    weights = [name for name in names if name.endswith((".pth", ".pt", ".ckpt", ".bin", ".safetensors"))]
    parts = ", ".join((weights or names)[:3]) or "nothing"
    raise RefusedError(f"it is a zip archive of {parts}; unpack it, and import the weights in it")


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Return copies of the tensors in a file by name; keys of nested dictionaries are joined with dots.

    Raises:
        RefusedError: the file is damaged, contains more than tensors and plain values, contains no or too many tensors,
            repeats a name, or its tensors are much larger than the file.
    """
    import torch

    try:
        # torch's warnings are about its API, not the file; of a path, it would look at the suffix.
        with warnings.catch_warnings(action="ignore"), file.open("rb") as opened:
            content = torch.load(opened, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RefusedError(_explain(error)) from error
    except MemoryError:
        raise
    except Exception as error:  # a hostile or damaged file may raise anything
        reason = str(error).partition(". ")[0]  # what follows may be torch's advice to switch its safety off
        raise RefusedError(f"it is damaged, or no file of torch.save: {type(error).__name__}: {reason}") from error
    tensors: dict[str, Tensor] = {}
    for name, tensor in _iterate_tensors(content):
        if name in tensors:
            raise RefusedError(f"two tensors have the name {name!r}")
        if len(tensors) == _MAX_TENSORS:
            raise RefusedError(f"it contains more than {_MAX_TENSORS:,} tensors")
        tensors[name] = _check_plain(name, tensor)
    if not tensors:
        raise RefusedError("it contains no tensors")
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    size = file.stat().st_size
    if total > _MAX_EXPANSION * size:
        raise RefusedError(f"its tensors would take {total:,} bytes, but the file has only {size:,}")
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}


def _iterate_tensors(content: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the tensors in nested dictionaries with their names; skip other values, such as epoch and learning rate."""
    import torch

    if isinstance(content, torch.Tensor):
        yield prefix or "tensor", content
    elif isinstance(content, Mapping) and depth < _MAX_DEPTH:
        for key, value in content.items():
            if isinstance(key, str):
                yield from _iterate_tensors(value, f"{prefix}.{key}" if prefix else key, depth + 1)


def _check_plain(name: str, tensor: Tensor) -> Tensor:
    import torch

    # The size of a tensor on another device or in another layout cannot be trusted.
    if (
        type(tensor) not in (torch.Tensor, torch.nn.Parameter)
        or tensor.layout != torch.strided
        or tensor.device.type != "cpu"
        or tensor.is_quantized
    ):
        kind = f"{type(tensor).__name__}, {tensor.layout}, {tensor.device}"
        raise RefusedError(f"{name!r} is not a plain tensor ({kind})")
    return tensor.detach()


def _explain(error: Exception) -> str:
    """Return why torch refused a file, without its advice to switch its safety off."""
    requested = re.search(r"GLOBAL ([\w.]+)", str(error))
    cause = f"it needs {requested[1]}" if requested else "it is damaged, or needs more than tensors and plain values"
    return (
        f"{cause}, but nothing in it is run; in the program that wrote it, save torch.save(network.state_dict(), FILE)"
    )


def _limit_resources(size: int) -> None:
    """Limit memory, CPU time and written bytes to slightly more than reading a file of `size` bytes needs."""
    memory = _address_space() + (512 << 20) + 3 * _MAX_EXPANSION * size
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 30 + size // (20 << 20)
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: (64 << 20) + _MAX_EXPANSION * size,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def _address_space() -> int:
    """Return the size of this process's address space in bytes, or, if unknown, an estimate large enough for torch."""
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
