"""The contents of the folder after a write, and the order of the calls to the disk."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from pathlib import Path

import pytest

from cgkit.checkpoints import list_checkpoints, read_latest, write_checkpoint
from cgkit.errors import ResourceError


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_the_newest_checkpoints_are_kept(folder, small):
    for step in range(1, 7):
        write_checkpoint(folder, small(step), keep=3)
    assert names(folder) == ["step-000000004", "step-000000005", "step-000000006"]


def test_the_checkpoint_just_written_is_kept_even_if_it_is_the_oldest(folder, small):
    for step in (5, 6, 1):
        write_checkpoint(folder, small(step), keep=2)
    assert names(folder) == ["step-000000001", "step-000000005", "step-000000006"]


@pytest.mark.parametrize(("keep", "step"), [(0, 1), (-1, 1), (1, -1)])
def test_keep_below_1_and_negative_steps_are_refused(folder, small, keep, step):
    with pytest.raises(ValueError, match="must be"):
        write_checkpoint(folder, small(step), keep=keep)


FOREIGN = [
    "notes.txt",
    "step-7",
    "step-0000000001",
    "step-000000001.bak",
    "step-000000001 (copy)",
    ".tmp-mine",
    ".tmp-step-000000001",
    ".tmp-step-000000001-x",
    "best",
    "step-\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661",  # Arabic digits,
]
LITTER = [".tmp-step-000000001-12", ".tmp-pruned-step-000000001-12", ".tmp-old-step-000000009-12"]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_only_our_own_files_are_removed(folder, small, tmp_path, kind):
    (tmp_path / "treasure").mkdir()
    (tmp_path / "treasure" / "gold").touch()
    folder.mkdir(parents=True)
    for name in FOREIGN + LITTER:
        path = folder / name
        if kind == "file":
            path.touch()
        elif kind == "link":
            path.symlink_to(tmp_path / "treasure")
        else:
            path.mkdir()
            (path / "x").touch()
    for step in (9, 10):
        write_checkpoint(folder, small(step), keep=1)
    assert names(folder) == sorted([*FOREIGN, "step-000000010"])
    assert names(tmp_path / "treasure") == ["gold"]


def test_permissions_follow_the_umask(folder, small):
    for mask in (0o022, 0o077, 0o002):
        before = os.umask(mask)
        try:
            path = write_checkpoint(folder, small(mask), keep=1)
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o777 & ~mask
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o666 & ~mask}


def test_a_relative_path_works(tmp_path, small, same, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_checkpoint(Path("run/checkpoints"), small(1), keep=1)
    assert path == Path("run/checkpoints/step-000000001")
    assert same(read_latest(Path("run/checkpoints"), report=print), small(1))


def test_a_checkpoint_set_aside_by_a_killed_writer_is_listed_and_renamed_back(folder, small, same):
    write_checkpoint(folder, small(5), keep=1).rename(folder / ".tmp-old-step-000000005-12")
    assert [path.name for path in list_checkpoints(folder)] == [".tmp-old-step-000000005-12"]
    assert same(read_latest(folder, report=print), small(5))
    write_checkpoint(folder, small(6), keep=2)
    assert names(folder) == ["step-000000005", "step-000000006"]


def record_calls(monkeypatch, *, fail_at=None):
    """Record every call of fsync, mkdir and rename; make the call with the number `fail_at` fail."""
    calls = []

    def watch(name):
        call = getattr(os, name)

        def recording(*args, **kwargs):
            target = Path(f"/proc/self/fd/{args[0]}").readlink() if name == "fsync" else args[0]
            calls.append((name, Path(target).name))
            if len(calls) == fail_at:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(target))
            return call(*args, **kwargs)

        monkeypatch.setattr(os, name, recording)

    for name in ("fsync", "mkdir", "rename"):
        watch(name)
    return calls


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_files_are_synced_before_the_checkpoint_gets_its_name(folder, small, monkeypatch):
    write_checkpoint(folder, small(1), keep=1)
    with monkeypatch.context() as patch:
        calls = record_calls(patch)
        write_checkpoint(folder, small(2), keep=1)
    temporary = f".tmp-step-000000002-{os.getpid()}"
    assert calls == [
        ("mkdir", temporary),
        ("fsync", "model.safetensors"),
        ("fsync", "pool.safetensors"),
        ("fsync", "state.json"),
        ("fsync", "MANIFEST.json"),
        ("fsync", temporary),
        ("rename", temporary),
        ("fsync", "checkpoints"),
        ("rename", "step-000000001"),
    ]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("replaces", [False, True])
def test_a_disk_error_at_any_call_leaves_the_old_or_the_new_checkpoint_and_no_litter(
    folder, small, same, monkeypatch, replaces
):
    old, new = small(1), small(1, value=0.5) if replaces else small(2)
    for call in range(1, 100):
        write_checkpoint(folder, old, keep=1)
        with monkeypatch.context() as patch:
            calls = record_calls(patch, fail_at=call)
            try:
                write_checkpoint(folder, new, keep=2)
            except ResourceError as error:
                assert "Input/output error" in str(error)  # noqa: PT017 (some calls do not fail)
        if len(calls) < call:
            break
        latest = read_latest(folder, report=pytest.fail)
        assert same(latest, old) or same(latest, new)
        leftovers = [name for name in names(folder) if name.startswith(".tmp")]
        assert leftovers == [] or (same(latest, new) and leftovers[0].startswith(".tmp-old"))
        write_checkpoint(folder, small(3), keep=1)
        assert names(folder) == ["step-000000003"]
        (folder / "step-000000003").rename(folder.with_name("done"))
        subprocess.run(["rm", "-r", folder.with_name("done")], check=True)
    assert call > 8
