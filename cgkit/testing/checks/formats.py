"""Checks of image formats: what they write can be read again, and damaged files do no harm."""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgkit.abilities import is_lossy
from cgkit.contracts import Format, Reading
from cgkit.contracts.formats import START_BYTES
from cgkit.images.formats import built_in
from cgkit.testing.check import NotApplicableError, UnavailableError, check
from cgkit.testing.child_process import CAN_LIMIT, run_in_child
from cgkit.testing.image_files import Sample, opened, samples_of, written
from cgkit.testing.subject import Subject

OTHERS = (b"", bytes(START_BYTES), b"not an image\n", b"%PDF-1.7\n")
"""The starts of files that are in none of the formats that cgkit reads."""

SECONDS = 60
"""Time limit for reading all damaged files, of which there are about a hundred."""

MEMORY = 1 << 29
"""Bytes that reading these files may take."""


@check("formats")
def suffixes_are_in_lower_case_with_a_dot(subject: Subject) -> None:
    """A format has at least one suffix; suffixes are in lower case and start with a dot."""
    suffixes = subject.build().suffixes
    assert isinstance(suffixes, tuple), f"its suffixes are {suffixes!r}; expected a tuple"
    assert suffixes, "it has no suffix"
    wrong = [suffix for suffix in suffixes if not re.fullmatch(r"(\.[a-z0-9_+-]+)+", str(suffix))]
    assert not wrong, f"the suffix {wrong[0]!r} is not like .tif"


@check("formats")
def images_survive_a_round_trip(subject: Subject) -> None:
    """Every image that the format says it holds is written and read again bit for bit, unless the format is lossy."""
    file_format = subject.build()
    for sample in samples_of(file_format):
        values = opened(file_format, written(file_format, sample), sample.reading).decode()
        assert values.shape[:2] == sample.values.shape[:2], f"{sample}: reads shape {values.shape}"
        assert values.dtype == sample.values.dtype, f"{sample}: reads {values.dtype}"
        same = np.array_equal(values, _as_colour(sample, values.shape[-1]))
        assert same or is_lossy(file_format), f"{sample}: the pixels changed when they were written and read again"


@check("formats")
def headers_agree_with_the_pixels(subject: Subject) -> None:
    """The header states the size, the channels, the type and the alpha channel of the decoded pixels."""
    file_format = subject.build()
    for sample in samples_of(file_format):
        image = opened(file_format, written(file_format, sample), sample.reading)
        header, values = image.header, image.decode()
        stated = (header.height, header.width, header.channels), header.depth
        assert stated == (values.shape, values.dtype.name), (
            f"{sample}: the header says {stated[0]} of {stated[1]}, the pixels are {values.shape} of {values.dtype}"
        )
        assert header.alpha == sample.alpha, f"{sample}: the header says alpha = {header.alpha}"
        assert header.layout in ("grey", "colour", "bands"), f"{sample}: its layout is {header.layout!r}"


@check("formats")
def what_a_file_carries_can_be_written_again(subject: Subject) -> None:
    """The format can write what it read besides the pixels, without changing how they are read."""
    file_format = subject.build()
    for sample in samples_of(file_format):
        content = written(file_format, sample)
        image = opened(file_format, content, sample.reading)
        carry = None if image.carry is None else image.carry()
        again = opened(file_format, written(file_format, sample, carry), sample.reading).decode()
        assert np.array_equal(again, opened(file_format, content, sample.reading).decode()), (
            f"{sample}: with what the file carries, other pixels are written"
        )


@check("formats")
def recognises_its_own_files_and_no_others(subject: Subject) -> None:
    """The format recognises the first bytes of every file that it writes, and not those of other formats."""
    file_format = subject.build()
    for start in (*OTHERS, *_starts_of_others(file_format)):
        assert not file_format.recognises(start), f"recognises a file that starts with {start[:12]!r}"
    for sample in samples_of(file_format):
        start = written(file_format, sample)[:START_BYTES]
        assert file_format.recognises(start), f"{sample}: does not recognise its own file, {start[:12]!r}"


@check("formats")
def reads_the_same_in_another_process(subject: Subject) -> None:
    """A forked process, like those that load training images, reads the same pixels."""
    if not hasattr(os, "fork"):
        raise UnavailableError("this system has no fork")
    file_format = subject.build()
    files = [(sample, written(file_format, sample)) for sample in samples_of(file_format)]
    here = _digests(file_format, files)
    there = run_in_child(lambda: _digests(file_format, files), subject.folder)
    assert here == there, f"another process reads other pixels, or fails: {there[:1]}"


@check("formats")
def truncated_files_are_refused(subject: Subject) -> None:
    """A file that ends too early raises an exception; missing pixels are not made up."""
    file_format = subject.build()
    files = list(_truncated_files(file_format))
    read = _run_limited(lambda: [name for name, file, reading in files if _reads(file_format, file, reading)], subject)
    assert not read, f"{read[0]}: expected an exception within {SECONDS} seconds"


@check("formats")
def damaged_files_do_no_harm(subject: Subject) -> None:
    """Files with wrong bytes are read or refused with an exception: no crash, no hang, no large allocation."""
    file_format = subject.build()
    files = list(_damaged_files(file_format))

    def read_all() -> list[str]:
        for content, reading in files:
            _reads(file_format, content, reading)
        return []

    harm = _run_limited(read_all, subject)
    assert not harm, f"reading damaged files {harm[0]}: expected images or exceptions, within {SECONDS} seconds"


def _starts_of_others(file_format: Format) -> Iterator[bytes]:
    """Return the starts of files that built-in formats write, except those that share a suffix with the format."""
    for other in (entry.format for entry in built_in().entries):
        if not set(other.suffixes) & set(file_format.suffixes):
            with suppress(NotApplicableError):  # a format that only reads
                yield written(other, samples_of(other)[0])[:START_BYTES]


def _as_colour(sample: Sample, channels: int) -> NDArray[Any]:
    """Return the values of a sample, with grey repeated if the format stores it as colour."""
    values = sample.values
    if channels != values.shape[-1] + 2:
        return values
    return np.concatenate([values[..., :1].repeat(2, axis=-1), values], axis=-1)


def _digests(file_format: Format, files: Sequence[tuple[Sample, bytes]]) -> list[str]:
    contents = [opened(file_format, content, sample.reading).decode() for sample, content in files]
    return [hashlib.sha256(values.tobytes()).hexdigest() for values in contents]


def _run_limited(action: Callable[[], list[str]], subject: Subject) -> list[str]:
    if not CAN_LIMIT:
        raise UnavailableError("the time and memory of a process can only be limited on Linux")
    return run_in_child(action, subject.folder, seconds=SECONDS, memory=MEMORY)


def _reads(file_format: Format, content: bytes, reading: Reading) -> bool:
    """Return whether a format reads a file, rather than raising an exception; running out of memory is a failure."""
    try:
        opened(file_format, content, reading).decode()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - any other exception means a damaged file
        return False
    return True


def _truncated_files(file_format: Format) -> Iterator[tuple[str, bytes, Reading]]:
    for sample in samples_of(file_format):
        content = written(file_format, sample)
        for length in (1, len(content) // 4, len(content) // 2):
            name = f"{sample}: read an image from the first {length} of {len(content)} bytes"
            yield name, content[:length], sample.reading


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
