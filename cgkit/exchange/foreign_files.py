"""Reading weights that others have saved, without executing anything of theirs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from torch import Tensor

from cgkit.checkpoints import tensor_files
from cgkit.errors import CheckpointError
from cgkit.exchange import reading_process

LARGEST = 4 << 30
"""Bytes: twenty times the weights of the largest generator that is published with this family."""

_SUFFIX = ".safetensors"
_PATIENCE = 600
"""Seconds that it may take at least; what keeps it from computing for long is its own limit, of a minute or so."""


def read_foreign(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name: of what `torch.save` wrote, in any of its formats, or of safetensors.

    A pickle is read in a process of its own, by torch's unpickler that builds nothing but tensors and plain values
    (`weights_only`), with limits on memory, time and what it may write; the tensors come back as safetensors.

    Raises:
        CheckpointError: it cannot be read, is damaged, asks for anything else than tensors, or claims to be larger than
            it is. Nothing has been executed or written.
    """
    size = _admitted(file)
    try:
        if file.suffix == _SUFFIX:
            return tensor_files.read(file)
        with tempfile.TemporaryDirectory(prefix="cgkit-import-") as folder:
            output = Path(folder) / f"tensors{_SUFFIX}"
            _read_apart(file, output, seconds=_PATIENCE + size // (5 << 20))
            return tensor_files.read(output)
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{file} was refused: {error}") from error


def _admitted(file: Path) -> int:
    """Return the size of a file that may be looked at."""
    try:
        status = file.stat()
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror or error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{file} is no file of weights")
    if status.st_size > LARGEST:
        raise CheckpointError(f"{file} was refused: it has {status.st_size:,} bytes, and {LARGEST:,} are the limit")
    return status.st_size


def _read_apart(file: Path, output: Path, seconds: int) -> None:
    """Let another process write the tensors of a file to `output`.

    Raises:
        ValueError: it refused to, or came to grief.
    """
    # -P: nothing is imported from beside the script, or from where the user happens to be.
    command = [sys.executable, "-P", reading_process.__file__, os.fspath(file.resolve()), os.fspath(output)]
    # No variable may talk torch out of `weights_only`, and no GPU is needed.
    unwanted = ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD",)
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"it was not read within {seconds} seconds") from None
    if done.returncode < 0:
        raise ValueError(f"it needs more than a file of its size may (signal {-done.returncode})")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise ValueError(last)
