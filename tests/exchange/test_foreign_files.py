"""A file of unknown origin yields its tensors, or is refused without side effects."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cgkit.errors import CheckpointError
from cgkit.exchange import reading_process
from cgkit.exchange.foreign_files import LARGEST, read_foreign
from cgkit.exchange.reading_process import RefusedError, check_archive, read_tensors

TENSORS = {"first.weight": torch.arange(6.0).reshape(2, 3), "second.steps": torch.tensor(7)}


class Command:
    """Runs a command when it is unpickled without restrictions."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def equal(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return tensors.keys() == expected.keys() and all(torch.equal(tensors[name], expected[name]) for name in expected)


def check_then_read(file: Path) -> dict[str, Tensor]:
    check_archive(file)
    return read_tensors(file)


@pytest.mark.parametrize("zipped", [True, False])
def test_both_formats_of_torch_save_are_read(tmp_path: Path, zipped: bool) -> None:
    torch.save(TENSORS, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    assert equal(check_then_read(tmp_path / "weights.pth"), TENSORS)


def test_tensors_are_returned_from_the_reading_process(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "weights.pth")
    assert equal(read_foreign(tmp_path / "weights.pth"), TENSORS)
    save_file(TENSORS, tmp_path / "weights.safetensors")
    assert equal(read_foreign(tmp_path / "weights.safetensors"), TENSORS)


def test_nested_dictionaries_are_flattened_and_shared_tensors_copied(tmp_path: Path) -> None:
    weight = nn.Parameter(torch.ones(3, 2).T)
    content = {"epoch": 3, "nets": {"a": {"w": weight}, "b": {"w": weight[0]}}, "name": "x", 5: torch.ones(1)}
    torch.save(content, tmp_path / "weights.pth")
    tensors = read_tensors(tmp_path / "weights.pth")
    assert equal(tensors, {"nets.a.w": torch.ones(2, 3), "nets.b.w": torch.ones(3)})
    assert all(tensor.is_contiguous() for tensor in tensors.values())


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_commands_in_a_pickle_are_not_run(tmp_path: Path, form: str) -> None:
    marker, file = tmp_path / "marker", tmp_path / "weights.pth"
    content = {**TENSORS, "command": Command(marker)}
    if form == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(RefusedError):
        read_tensors(file)
    assert not marker.exists()


def test_no_environment_variable_makes_a_pickle_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker, file = tmp_path / "marker", tmp_path / "weights.pth"
    torch.save({**TENSORS, "command": Command(marker)}, file)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(CheckpointError, match=r"weights\.pth was refused: it needs posix\.system"):
        read_foreign(file)
    assert not marker.exists()


def _bomb(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (64 << 20))


def _claiming(file: Path) -> None:
    """A zip file whose table of contents claims more than it holds."""
    torch.save(TENSORS, file)
    content = bytearray(file.read_bytes())
    offset = content.index(b"PK\x01\x02") + 24
    content[offset : offset + 4] = (4_000_000_000).to_bytes(4, "little")
    file.write_bytes(content)


@pytest.mark.parametrize("make", [_bomb, _claiming])
def test_a_zip_file_that_claims_to_be_larger_than_it_is_is_not_unpacked(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"weights\.pth was refused: its parts would unpack to [\d,]+ bytes"):
        read_foreign(tmp_path / "weights.pth")


def test_tensors_larger_than_their_file_are_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "weights.pth")
    with pytest.raises(RefusedError, match="would take 4,000,000,000,000 bytes"):
        read_tensors(tmp_path / "weights.pth")


def test_a_file_that_claims_more_memory_than_it_needs_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"w": torch.zeros(70_001)}, file, _use_new_zipfile_serialization=False)
    content = file.read_bytes()
    before, after = (number.to_bytes(4, "little") for number in (70_001, 2**31 - 1))
    assert content.count(b"J" + before) >= 2
    file.write_bytes(content.replace(b"J" + before, b"J" + after))
    with pytest.raises(CheckpointError, match=r"weights\.pth was refused"):
        read_foreign(file)


def test_the_resources_of_the_reading_process_are_limited() -> None:
    """In a separate process, because the limits cannot be lifted again."""
    script = (
        "import resource; from cgkit.exchange.reading_process import _limit_resources; _limit_resources(1 << 20)\n"
        "print(resource.getrlimit(resource.RLIMIT_CPU)[1], resource.getrlimit(resource.RLIMIT_FSIZE)[1])\n"
        "try:\n    bytearray(2 << 30)\nexcept MemoryError:\n    print('no memory')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["30", str((64 << 20) + (4 << 20)), "no", "memory"]


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float, zipped: bool) -> None:
    torch.save({"w": torch.zeros(500)}, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "weights.pth").read_bytes()
    (tmp_path / "weights.pth").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(RefusedError):
        check_then_read(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "contains no tensors"),
        ({"w": torch.zeros(2, 2).to_sparse()}, "not a plain tensor"),
        ({"w": torch.zeros(2, device="meta")}, "not a plain tensor"),
        ({"a": {"b.c": torch.zeros(1)}, "a.b": {"c": torch.zeros(1)}}, "two tensors have the name"),
        (nn.Conv2d(1, 1, 1), "state_dict"),
    ],
)
def test_a_file_without_plain_tensors_is_refused_with_the_reason(tmp_path: Path, content: object, reason: str) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(RefusedError, match=reason):
        read_tensors(tmp_path / "weights.pth")


def test_a_reason_is_one_printable_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        reading_process._refuse("first\x1b[31m\nsecond" + "x" * 1000)
    printed = capsys.readouterr().err
    assert printed.startswith("first?[31m second")
    assert len(printed) < 700


def test_files_that_cannot_be_weights_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    with (tmp_path / "huge.pth").open("wb") as opened:
        opened.truncate(LARGEST + 1)
    (tmp_path / "damaged.safetensors").write_bytes(b"\xff" * 64)
    for name in ("pipe.pth", "huge.pth", "damaged.safetensors", "missing.pth", "."):
        with pytest.raises(CheckpointError):
            read_foreign(tmp_path / name)
