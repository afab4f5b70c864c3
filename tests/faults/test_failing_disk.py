"""Whichever call to the disk fails, a run ends with a sentence or goes on, and continues as if nothing had happened."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import Result
from tests.faults.conftest import SETTINGS
from tests.faults.faults import time_limit

CALLS = ("fsync", "mkdir", "rename", "replace", "unlink")
EVERY = "CGKIT_FAULTS" in os.environ
PARTS = 8
"""In so many tests, the long form lets each call fail once."""

WRITES = frozenset("wxa+")


class Disk:
    """Counts the calls that change a folder; one of them fails."""

    def __init__(self, folder: Path, fail_at: int, number: int) -> None:
        self.folder, self.fail_at, self.number = str(folder), fail_at, number
        self.calls: list[str] = []

    def call(self, name: str, target: object) -> None:
        path = f"/proc/self/fd/{target}" if isinstance(target, int) else os.fspath(target)  # type: ignore[call-overload]
        place = str(Path(path).readlink()) if isinstance(target, int) else str(path)
        if not place.startswith(self.folder):
            return
        self.calls.append(f"{name} {Path(place).name}")
        if len(self.calls) == self.fail_at:
            raise OSError(self.number, os.strerror(self.number), place)


@contextmanager
def failing(folder: Path, fail_at: int, number: int) -> Iterator[Disk]:
    """Let the call number `fail_at` that changes the folder fail."""
    disk = Disk(folder, fail_at, number)
    opened = io.open
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, watched(disk, name, getattr(os, name)))

        def open_watched(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            if WRITES & set(mode) and not isinstance(file, int):
                disk.call("open", file)
            return opened(file, mode, *rest, **options)

        patch.setattr(io, "open", open_watched)
        yield disk


def watched(disk: Disk, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def watching(target: Any, *rest: Any, **options: Any) -> Any:
        if options.get("dir_fd") is None:
            disk.call(name, target)
        return call(target, *rest, **options)

    return watching


def weights(run: Path) -> dict[str, torch.Tensor]:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    return {
        f"{file.stem}/{name}": tensor
        for file in newest.glob("*.safetensors")
        for name, tensor in load_file(file).items()
    }


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("part", range(PARTS if EVERY else 1))
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=["ENOSPC", "EIO", "EACCES"])
def test_any_call_to_the_disk_may_fail(
    cgkit: Callable[..., Result], tiny_spec: Path, tmp_path: Path, number: int, part: int
) -> None:
    straight = tmp_path / "straight"
    with failing(straight, 0, number) as disk:
        assert cgkit("--no-plugins", "run", tiny_spec, *SETTINGS, "--output", straight).code == 0
    expected, count = weights(straight), len(disk.calls)
    assert count > 100
    for fail_at in range(1 + part, count + 1, PARTS if EVERY else 53):
        run = tmp_path / "run"
        with failing(run, fail_at, number) as disk, time_limit(60):
            result = cgkit("--no-plugins", "run", tiny_spec, *SETTINGS, "--output", run)
        cell = f"call {fail_at} ({disk.calls[fail_at - 1 :][:1]}): {result.code}\n{result.err}"
        assert result.code in (0, 7), cell
        assert "Traceback" not in result.err, cell
        assert "warning: " in result.err or "error: " in result.err or not result.code, cell
        again = cgkit("--no-plugins", "run", tiny_spec, *SETTINGS, "--output", run)
        assert again.code == 0, f"{cell}\n{again.err}"
        assert not list(run.rglob(".tmp-*")), cell
        found = weights(run)
        assert found.keys() == expected.keys()
        assert [name for name in found if not torch.equal(found[name], expected[name])] == [], cell
        shutil.rmtree(run)
