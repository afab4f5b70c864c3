"""Checks that damaged image files cause an error, and nothing worse."""

from __future__ import annotations

import os
import random
import resource
import signal
from collections.abc import Iterator

from cgkit.contracts import Format, Reading
from cgkit.testing.check import UnavailableError, check
from cgkit.testing.child_process import run_in_child
from cgkit.testing.image_files import opened, samples_of, written
from cgkit.testing.subject import Subject

SECONDS = 60
"""Time limit for reading all damaged files, of which there are about a hundred."""

MEMORY = 1 << 29
"""Bytes that reading these files may take."""


@check("formats")
def truncated_files_are_refused(subject: Subject) -> None:
    """A file that ends too early raises an exception; missing pixels are not made up."""
    file_format = subject.build()
    for sample in samples_of(file_format):
        content = written(file_format, sample)
        for length in (1, len(content) // 4, len(content) // 2):
            assert _is_refused(file_format, content[:length], sample.reading), (
                f"{sample}: reads an image from the first {length} of {len(content)} bytes"
            )


@check("formats")
def damaged_files_do_no_harm(subject: Subject) -> None:
    """Files with wrong bytes are read or refused with an exception: no crash, no hang, no large allocation."""
    if not hasattr(os, "fork"):
        raise UnavailableError("this system has no fork")
    file_format = subject.build()
    files = list(_damaged_files(file_format))
    problems = run_in_child(lambda: _read_within_limits(file_format, files), subject.folder)
    assert not problems, f"a damaged file {problems[0]}; it must raise an exception within {SECONDS} seconds"


def _is_refused(file_format: Format, content: bytes, reading: Reading) -> bool:
    try:
        opened(file_format, content, reading).decode()
    except Exception:  # noqa: BLE001 - any exception means a damaged file
        return True
    return False


def _damaged_files(file_format: Format) -> Iterator[tuple[bytes, Reading]]:
    """Yield files in which a few bytes, most of them near the start, have random values."""
    draws = random.Random(0)
    for sample in samples_of(file_format)[:8]:
        content = written(file_format, sample)
        for end in (32, 32, 32, 32, 200, 200, 200, 200, len(content), len(content), len(content), len(content)):
            damaged = bytearray(content)
            for _ in range(3):
                damaged[draws.randrange(4, min(end, len(content)))] = draws.randrange(256)
            yield bytes(damaged), sample.reading


def _read_within_limits(file_format: Format, files: list[tuple[bytes, Reading]]) -> list[str]:
    """Read files in this process, which ends if that takes too long; return what went wrong."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY,) * 2)
    for content, reading in files:
        try:
            opened(file_format, content, reading).decode()
        except MemoryError:
            return [f"of {len(content)} bytes needs more than {MEMORY >> 20} MB"]
        except Exception:  # noqa: BLE001 - any exception means a damaged file
            continue
    return []


def _address_space() -> int:
    """Return the size of this process's address space in bytes."""
    with open("/proc/self/statm", "rb") as statistics:  # noqa: PTH123 - a file of the system
        return int(statistics.read().split()[0]) * resource.getpagesize()
