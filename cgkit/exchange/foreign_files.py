"""Read weights from files of unknown origin without executing anything in them."""

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
from cgkit.exchange.file_kinds import is_safetensors, mistaken_for_weights

LARGEST = 4 << 30
"""Largest accepted file, in bytes: twenty times the weights of the largest published generator of this family."""

_MIN_TIMEOUT = 600
"""Least time limit for the reading process, in seconds.

The process limits its own CPU time to a few minutes or less; the rest is for slow disks.
"""


def read_foreign(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name.

    The file may be in safetensors format, or in any format of `torch.save`. The latter is read in a separate process,
    with limits on memory, time and written bytes, by torch's restricted unpickler (`weights_only`), which builds only
    tensors and plain values. That process passes the tensors on in a temporary safetensors file.

    Raises:
        CheckpointError: the file cannot be read, is damaged or too large, contains more than tensors and plain values,
            or claims to be larger than it is. Nothing in the file was executed.
    """
    size = _check_file(file)
    try:
        if (kind := mistaken_for_weights(file)) is not None:
            raise CheckpointError(f"{file} is no file of weights: it is {kind}")
        if is_safetensors(file):
            return tensor_files.read(file)
        with tempfile.TemporaryDirectory(prefix="cgkit-import-") as folder:
            output = Path(folder) / "tensors.safetensors"
            _convert_in_subprocess(file, output, timeout=_MIN_TIMEOUT + size // (5 << 20))
            return tensor_files.read(output)
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{file} was refused: {error}") from error


def _check_file(file: Path) -> int:
    """Return the size of a file after checking that it is a regular file within the limit."""
    try:
        status = file.stat()
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror or error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{file} is not a regular file")
    if status.st_size > LARGEST:
        raise CheckpointError(f"{file} was refused: it has {status.st_size:,} bytes; the limit is {LARGEST:,}")
    return status.st_size


def _convert_in_subprocess(file: Path, output: Path, timeout: int) -> None:
    """Write the tensors of a file to `output`, in a separate process that may take up to `timeout` seconds.

    Raises:
        ValueError: the process refused the file, failed, or took too long.
    """
    # -P keeps the script's folder and the current folder off the module search path, so no file there can be imported.
    command = [sys.executable, "-P", reading_process.__file__, os.fspath(file.resolve()), os.fspath(output)]
    # Remove this variable, which would make torch ignore `weights_only`.
    unsafe = ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD",)
    environment = {name: value for name, value in os.environ.items() if name not in unsafe}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"reading it took more than {timeout} seconds") from None
    if done.returncode < 0:
        raise ValueError(f"reading it exceeded the resource limits for its size (signal {-done.returncode})")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise ValueError(reason)
