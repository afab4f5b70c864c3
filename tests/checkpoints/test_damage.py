"""A damaged checkpoint is skipped, and the message names the damaged file."""

from __future__ import annotations

import hashlib
import json
import os
import struct

import pytest
import torch
from safetensors.torch import save

from cgkit.checkpoints import (
    Checkpoint,
    DamagedCheckpointError,
    list_checkpoints,
    read_checkpoint,
    read_latest,
    write_checkpoint,
)
from cgkit.errors import CheckpointError

FILES = ["model.safetensors", "pool.safetensors", "state.json", "MANIFEST.json"]


def flip_a_bit(path, position=-1):
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)


DAMAGES = {
    "its last byte flipped": flip_a_bit,
    "its first byte flipped": lambda path: flip_a_bit(path, 0),
    "cut short": lambda path: os.truncate(path, path.stat().st_size - 2),
    "emptied": lambda path: os.truncate(path, 0),
    "made longer": lambda path: path.write_bytes(path.read_bytes() + b" x"),
    "removed": lambda path: path.unlink(),
    "made a folder": lambda path: (path.unlink(), path.mkdir()),
    "made a dead link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "made a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_reported_and_the_previous_checkpoint_used(folder, three, small, same, file, damage):
    DAMAGES[damage](three[-1] / file)
    messages: list[str] = []
    assert same(read_latest(folder, report=messages.append), small(2))
    assert len(messages) == 1
    assert "step-000000003" in messages[0]
    assert file in messages[0]
    with pytest.raises(DamagedCheckpointError, match=file):
        read_checkpoint(three[-1])


def test_any_flipped_bit_is_detected(folder, three):
    for file in FILES[:3]:
        path = three[-1] / file
        intact = path.read_bytes()
        for position in range(0, len(intact), 7):
            flip_a_bit(path, position)
            with pytest.raises(DamagedCheckpointError, match=file):
                read_checkpoint(three[-1])
            path.write_bytes(intact)
    read_checkpoint(three[-1])


def test_swapped_files_are_detected(folder, three, small, same):
    for file in ("model.safetensors", "MANIFEST.json"):
        one, other = three[1] / file, three[2] / file
        one.rename(folder / "x"), other.rename(one), (folder / "x").rename(other)
    messages: list[str] = []
    assert same(read_latest(folder, report=messages.append), small(1))
    assert len(messages) == 2


def test_a_checkpoint_named_after_another_step_is_detected(folder, three, small, same):
    three[2].rename(folder / "step-000000009")
    messages: list[str] = []
    assert same(read_latest(folder, report=messages.append), small(2))
    assert "contains the checkpoint of step 3" in messages[0]


def test_a_checkpoint_can_be_moved(folder, three, small, same, tmp_path):
    assert same(read_checkpoint(three[2].rename(tmp_path / "best")), small(3))


def test_an_extra_file_is_detected_but_hidden_files_are_ignored(folder, three):
    (three[-1] / ".DS_Store").write_bytes(b"x")
    read_checkpoint(three[-1])
    (three[-1] / "ema.safetensors").write_bytes(b"x")
    with pytest.raises(DamagedCheckpointError, match=r"ema\.safetensors does not belong"):
        read_checkpoint(three[-1])


def test_if_every_checkpoint_is_damaged_the_error_names_all_files(folder, three):
    for path, file in zip(three, FILES, strict=False):
        flip_a_bit(path / file)
    with pytest.raises(CheckpointError) as error:
        read_latest(folder, report=print)
    assert all(file in str(error.value) for file in FILES[:3])


def test_a_run_without_checkpoints_is_not_an_error(folder):
    assert read_latest(folder, report=print) is None
    folder.mkdir(parents=True)
    (folder / ".tmp-step-000000001-1").mkdir()
    (folder / "notes.txt").touch()
    assert read_latest(folder, report=print) is None
    assert list_checkpoints(folder) == []


def test_a_path_without_a_checkpoint_is_an_error(folder):
    with pytest.raises(CheckpointError, match=r"MANIFEST\.json is missing"):
        read_checkpoint(folder / "step-000000001")


def test_modification_times_are_ignored(folder, three, small, same):
    for checkpoint, time in zip(three, (4e9, 1e9, 0), strict=True):
        for path in (checkpoint, *checkpoint.iterdir()):
            os.utime(path, (time, time))
    assert same(read_latest(folder, report=print), small(3))
    write_checkpoint(folder, small(4), keep=2)
    assert [path.name for path in list_checkpoints(folder)] == ["step-000000003", "step-000000004"]


def test_steps_are_compared_as_numbers(folder, small, same):
    for step in (999_999_999, 1_000_000_000):
        write_checkpoint(folder, small(step), keep=2)
    assert same(read_latest(folder, report=print), small(1_000_000_000))


def test_a_newer_format_is_an_error_and_is_not_skipped(folder, three):
    edit_manifest(three[-1], format=2)
    with pytest.raises(CheckpointError, match="written by a newer version"):
        read_latest(folder, report=print)


@pytest.mark.skipif(os.getuid() == 0, reason="root can read everything")
def test_an_unreadable_checkpoint_is_an_error_and_is_not_skipped(folder, three):
    (three[-1] / "model.safetensors").chmod(0)
    with pytest.raises(CheckpointError, match=r"Permission denied"):
        read_latest(folder, report=print)


def edit_manifest(path, **changes):
    manifest = json.loads((path / "MANIFEST.json").read_text())
    (path / "MANIFEST.json").write_text(json.dumps(manifest | changes))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"format": 0, "step": 3, "files": {}}',
        b'{"format": true, "step": 3, "files": {}}',
        b'{"format": 1, "step": 3, "files": {}}',
        b'{"format": 1, "step": 3.0, "files": {"state.json": {"bytes": 1, "sha256": "0"}}}',
        b'{"format": 1, "step": -3, "files": {}}',
        b'{"format": 1, "step": 3, "files": []}',
        b'{"format": 1, "step": 3, "files": {"../x.safetensors": {}}}',
        b'{"format": 1, "step": 3, "files": {"state.json": 1}}',
        b'{"format": 1, "format": 1, "step": 3, "files": {}}',
        b'{"format": NaN, "step": 3, "files": {}}',
        b'{"format": 1e999, "step": 3, "files": {}}',
        b'{"format": ' + b"9" * 10_000 + b', "step": 3, "files": {}}',
        b" " * (2 << 20),
    ],
)
def test_a_manifest_that_we_would_not_write_counts_as_damage(three, text):
    (three[-1] / "MANIFEST.json").write_bytes(text)
    with pytest.raises(DamagedCheckpointError, match=r"MANIFEST\.json"):
        read_checkpoint(three[-1])


def forge(path, file, content):
    """Replace a file and update the manifest to match."""
    (path / file).write_bytes(content)
    manifest = json.loads((path / "MANIFEST.json").read_text())
    manifest["files"][file] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (path / "MANIFEST.json").write_text(json.dumps(manifest))


def safetensors(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(shape=(1,), offsets=(0, 4), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HOSTILE = {
    "nothing": b"",
    "seven bytes": b"1234567",
    "a header of 2^63 bytes": struct.pack("<Q", 1 << 63) + b"{}",
    "a header longer than the file": struct.pack("<Q", 1000) + b"{}",
    "a header of 200 MB": struct.pack("<Q", 200 << 20) + b"{}",
    "not JSON": safetensors(b"hello"),
    "not a JSON object": safetensors(b"[]"),
    "deep JSON": safetensors(b'{"a":' * 100_000),
    "NaN in the header": safetensors(b'{"a": NaN}'),
    "a duplicate tensor": safetensors(
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b"x",
    ),
    "truncated data": safetensors({"a": entry()}, b"123"),
    "trailing bytes": safetensors({"a": entry()}, b"12345"),
    "overlapping tensors": safetensors({"a": entry(), "b": entry()}, b"1234"),
    "a gap": safetensors({"a": entry(), "b": entry(offsets=(8, 12))}, b"\0" * 12),
    "a wrong shape": safetensors({"a": entry(shape=(2,))}, b"1234"),
    "an unknown dtype": safetensors({"a": entry(dtype="F33")}, b"1234"),
    "a dtype that we never write": safetensors({"a": entry(dtype="F4", shape=(8,))}, b"1234"),
    "another dtype that we never write": safetensors({"a": entry(dtype="F8_E8M0", shape=(4,))}, b"1234"),
    "a dtype without a torch type": safetensors({"a": entry(dtype="F6_E2M3", shape=(16,), offsets=(0, 12))}, b"1" * 12),
    "no dtype": safetensors({"a": {"shape": [1], "data_offsets": [0, 4]}}, b"1234"),
    "a negative offset": safetensors({"a": entry(offsets=(-4, 0))}, b"1234"),
    "a shape that overflows": safetensors({"a": entry(shape=(1 << 62, 1 << 62))}, b"1234"),
    "an empty shape that overflows": safetensors({"a": entry(shape=(0, 1 << 63), offsets=(0, 0))}),
    "metadata that is not text": safetensors({"__metadata__": {"a": 1}, "a": entry()}, b"1234"),
    "NaN": save({"fine": torch.zeros(2), "bad": torch.tensor([1.0, float("nan")])}),
    "infinity in bfloat16": save({"bad": torch.tensor([float("-inf")]).bfloat16()}),
    "infinity in float64": save({"bad": torch.tensor([1e308]).double() * 100}),
}


@pytest.mark.parametrize("content", HOSTILE)
def test_a_hostile_file_with_a_matching_manifest_is_refused(folder, three, small, same, content):
    forge(three[-1], "model.safetensors", HOSTILE[content])
    messages: list[str] = []
    assert same(read_latest(folder, report=messages.append), small(2))
    assert "model.safetensors" in messages[0]
    assert len(messages[0]) < 1000


def test_the_message_names_the_non_finite_tensor(three):
    forge(three[-1], "model.safetensors", HOSTILE["NaN"])
    with pytest.raises(DamagedCheckpointError, match=r"model\.safetensors: 'bad' contains non-finite values"):
        read_checkpoint(three[-1])


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e999}', b'{"a": 1, "a": 2}', b'"\xff"']
)
def test_a_state_that_we_would_not_write_counts_as_damage(three, content):
    forge(three[-1], "state.json", content)
    with pytest.raises(DamagedCheckpointError, match=r"state\.json"):
        read_checkpoint(three[-1])


def test_a_new_checkpoint_replaces_a_damaged_one_of_the_same_step(folder, three, same, small):
    flip_a_bit(three[-1] / "model.safetensors")
    write_checkpoint(folder, small(3), keep=3)
    messages: list[str] = []
    assert same(read_latest(folder, report=messages.append), small(3))
    assert messages == []


def test_a_checkpoint_older_than_the_damaged_ones_is_not_pruned(folder, three, same):
    flip_a_bit(three[1] / "model.safetensors")
    flip_a_bit(three[2] / "model.safetensors")
    again = Checkpoint(1, {"model": {"a": torch.ones(2)}}, {"written": "again"})
    write_checkpoint(folder, again, keep=1)
    assert same(read_latest(folder, report=lambda _: None), again)
