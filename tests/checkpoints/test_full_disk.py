"""A full disk or a file size limit costs the new checkpoint and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
import torch

from cgkit.checkpoints import Checkpoint, read_latest, write_checkpoint
from cgkit.errors import ResourceError

resource = pytest.importorskip("resource")


def large(step, megabytes):
    return Checkpoint(step, {"model": {"weight": torch.full((megabytes * 250_000,), float(step))}}, {})


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a disk here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_lack_of_space_is_detected_before_anything_is_written(small_disk, small, same):
    folder = small_disk / "checkpoints"
    write_checkpoint(folder, small(1), keep=1)
    with pytest.raises(ResourceError, match=r"needs 3\.3 MB but only 2\.\d MB are free"):
        write_checkpoint(folder, large(2, megabytes=3), keep=1)
    assert [entry.name for entry in folder.iterdir()] == ["step-000000001"]
    assert same(read_latest(folder, report=pytest.fail), small(1))


def test_a_disk_that_fills_up_during_the_write_costs_only_the_new_checkpoint(small_disk, small, same, monkeypatch):
    folder = small_disk / "checkpoints"
    write_checkpoint(folder, small(1), keep=1)
    usage = shutil.disk_usage(folder)
    # Simulate another process that fills the disk between the check and the write.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(ResourceError, match="No space left on device"):
        write_checkpoint(folder, large(2, megabytes=3), keep=1)
    assert [entry.name for entry in folder.iterdir()] == ["step-000000001"]
    assert same(read_latest(folder, report=pytest.fail), small(1))
    write_checkpoint(folder, small(3), keep=1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("limit", [0, 100, 500_000])
def test_a_file_size_limit_costs_only_the_new_checkpoint(folder, small, same, limit):
    write_checkpoint(folder, small(1), keep=1)
    child = os.fork()
    if child == 0:
        outcome = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # Python ignores SIGXFSZ
            write_checkpoint(folder, large(2, megabytes=1), keep=1)
        except ResourceError as error:
            outcome = 0 if "File too large" in str(error) and "needed 1.0 MB" in str(error) else 2
        finally:
            os._exit(outcome)
    _, status = os.waitpid(child, 0)
    assert os.WEXITSTATUS(status) == 0
    assert [entry.name for entry in folder.iterdir()] == ["step-000000001"]
    assert same(read_latest(folder, report=pytest.fail), small(1))


@pytest.mark.skipif(os.getuid() == 0, reason="root can write everywhere")
def test_the_message_names_a_read_only_folder(folder, small):
    write_checkpoint(folder, small(1), keep=1)
    folder.chmod(0o500)
    try:
        with pytest.raises(ResourceError, match=r"checkpoints.*Permission denied"):
            write_checkpoint(folder, small(2), keep=1)
    finally:
        folder.chmod(0o700)


def test_the_message_names_a_file_in_place_of_the_folder(folder, small):
    folder.parent.mkdir()
    folder.touch()
    with pytest.raises(ResourceError, match="checkpoints: Not a directory"):
        write_checkpoint(folder, small(1), keep=1)


def test_a_checkpoint_that_cannot_be_removed_is_said_and_the_new_one_kept(folder, small, same, monkeypatch):
    write_checkpoint(folder, small(1), keep=1)
    rename = os.rename

    def refuse(source, target):
        if "pruned" in str(target):
            raise OSError(5, "Input/output error", str(source))
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    message = r"^step 2 is saved, but an earlier checkpoint cannot be removed: .*step-000000001: Input/output error"
    with pytest.raises(ResourceError, match=message):
        write_checkpoint(folder, small(2), keep=1)
    assert same(read_latest(folder, report=pytest.fail), small(2))


def test_a_file_system_that_holds_no_more_files_is_not_called_full(tmp_path, small):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=4", "tmpfs", str(disk)]
    if os.getuid() != 0 or shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("cannot mount a disk here")
    try:
        with pytest.raises(ResourceError, match="so the file system can hold no more files"):
            write_checkpoint(disk / "checkpoints", small(1), keep=1)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
