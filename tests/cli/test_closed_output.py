"""What becomes of a command whose output cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NEEDS = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def shell(command: str) -> tuple[int, str]:
    """Run `cgkit` with redirections of the shell; return its exit code and what it wrote to stderr."""
    command = f"{sys.executable} -m cgkit {command}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


@NEEDS
def test_a_full_disk_is_an_error_with_its_own_code() -> None:
    assert shell("list-components > /dev/full") == (7, "error: the output cannot be written: no space left on device\n")


@pytest.mark.parametrize(
    ("command", "code"), [("runs . >&-", 0), ("list-components >&-", 0), ("check nope.toml 2>&-", 2)]
)
def test_a_closed_output_changes_no_exit_code(command: str, code: int) -> None:
    assert shell(command)[0] == code


@pytest.mark.parametrize("command", ["list-components", "list-components --json"])
def test_a_reader_that_has_ended_is_no_error(command: str) -> None:
    assert shell(f"{command} | head -c 1; exit ${{PIPESTATUS[0]}}") == (0, "")
