"""Damaged images: find all of them, or leave them out."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from cgkit.abilities import ignored_by, objects_of, order_of
from cgkit.contracts import Domain, ImageRecord, ObjectKind, Source
from cgkit.data.preparation import Preparation
from cgkit.errors import DamagedImageError, DataError
from cgkit.images.admission import inspect_image
from cgkit.images.pixels import PixelFormat

LISTED = 20
"""The maximum number of damaged images that a message lists; any others are only counted."""

THREADS = 8
"""The maximum number of threads that decode images."""

Pixels = tuple[PixelFormat, PixelFormat]
T = TypeVar("T")


class Kept:
    """The images of a domain without those that are left out because they are damaged.

    Only headers of training images are read in advance, so more of the images may turn out to be damaged.

    Args:
        domain: all images.
        left_out: the indices of those that are left out.
        unreadable: the indices of those whose headers cannot be read.
    """

    def __init__(self, domain: Domain, left_out: Collection[int], unreadable: Collection[int]) -> None:
        self._domain = domain
        self._unreadable = sorted(unreadable)
        self._indices = sorted({*range(len(domain))} - {*left_out})

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int, /) -> ImageRecord:
        return self._domain[self._indices[index]]

    def fingerprint(self) -> str:
        """Return the domain's fingerprint and the images whose headers cannot be read.

        Pixels do not count, so that training images that are also test images have the same fingerprint.
        """
        return self._domain.fingerprint() + (f" without {self._unreadable}" if self._unreadable else "")

    @property
    def order(self) -> Callable[[int, int], Sequence[int]] | None:
        """The domain's own order, restricted to the images that are kept; None if it has none."""
        own = order_of(self._domain)
        places = {index: place for place, index in enumerate(self._indices)}
        if own is None:
            return None
        return lambda epoch, seed: [places[index] for index in map(int, own(epoch, seed)) if index in places]


@dataclass
class Remaining:
    """A source without its damaged images.

    Attributes:
        aligned: whether the test images are aligned.
        left_out: what is wrong with each image that is left out.
        ignored: the files that are not images, as the source names them.
        objects: the kinds of objects in the test images.
    """

    aligned: bool
    left_out: tuple[str, ...]
    ignored: Mapping[str, str]
    objects: Sequence[ObjectKind]
    _train: tuple[Domain, Domain] = field(repr=False)
    _test: tuple[Domain, Domain] = field(repr=False)

    def train(self) -> tuple[Domain, Domain]:
        """Return the training images of both domains."""
        return self._train

    def test(self) -> tuple[Domain, Domain]:
        """Return the test images of both domains."""
        return self._test


def leave_out_damaged(
    source: Source, pixels: Pixels, preparation: Preparation, report: Callable[[str], None]
) -> Remaining:
    """Return a source without damaged images: training images whose header cannot be read, and test images that cannot
    be decoded. Of aligned test images, both are left out.

    Args:
        source: the source.
        pixels: the pixel formats of domains a and b.
        preparation: reads images.
        report: called with a message on all images that are left out, if there are any.

    Raises:
        DamagedImageError: all images of a domain are damaged.
    """

    def read_header(record: ImageRecord, pixels: PixelFormat) -> object:
        return record.path and inspect_image(record.path, pixels, preparation.formats)

    train, test = source.train(), source.test()
    unreadable = [_find_damaged(*each, read_header) for each in zip((*train, *test), pixels * 2, strict=True)]
    undecodable = [_find_damaged(*each, preparation.load) for each in zip(test, pixels, strict=True)]
    found = [*unreadable[:2], *undecodable]
    messages = tuple(dict.fromkeys(error.message for damaged in found for error in damaged.values()))
    if source.aligned:
        found[2:] = [found[2] | found[3]] * 2
    kept = []
    for domain, damaged, headers in zip((*train, *test), found, unreadable, strict=True):
        if damaged and len(damaged) >= len(domain):
            raise next(iter(damaged.values()))
        kept.append(Kept(domain, damaged, headers))
    if messages:
        report(f"damaged images are left out: {list_damaged(messages)}")
    facts = bool(source.aligned), messages, ignored_by(source), objects_of(source)
    return Remaining(*facts, (kept[0], kept[1]), (kept[2], kept[3]))


def _find_damaged(
    domain: Domain, pixels: PixelFormat, read: Callable[[ImageRecord, PixelFormat], object]
) -> dict[int, DamagedImageError]:
    tried = _try_all(domain, pixels, read)
    return {number: error for number, error in tried if isinstance(error, DamagedImageError)}


def find_undecodable(
    source: Source, pixels: Pixels, preparation: Preparation, progress: Callable[[int, int], None]
) -> list[DataError]:
    """Decode all images of a source, with everything that belongs to them; return the errors.

    Args:
        source: the source.
        pixels: the pixel formats of domains a and b.
        preparation: reads images.
        progress: called with the number of images read so far, and the number of all images.
    """

    def read(record: ImageRecord, pixels: PixelFormat) -> None:
        preparation.load(record, pixels)
        for name, extra in record.extras.items():
            preparation.load(extra, partners[pixels] if name == "partner" else PixelFormat(channels=1))

    partners = {pixels[0]: pixels[1], pixels[1]: pixels[0]}
    domains = [*zip(source.train(), pixels, strict=True), *zip(source.test(), pixels, strict=True)]
    total, done = sum(len(domain) for domain, _ in domains), 0
    errors: dict[str, DataError] = {}  # by message, because training images may be test images as well
    for domain, format in domains:
        for _, error in _try_all(domain, format, read):
            done += 1
            progress(done, total)
            if error is not None:
                errors.setdefault(str(error), error)
    return list(errors.values())


def read_kept(domain: Domain, index: int, read: Callable[[ImageRecord], T]) -> T:
    """Read an image of a domain; if damaged images are left out and this one is damaged, read the next one.

    Raises:
        DamagedImageError: the image is damaged and damaged images are not left out, or all images are damaged.
    """
    tries = len(domain) if isinstance(domain, Kept) else 1
    for number in range(tries):
        try:
            return read(domain[(index + number) % len(domain)])
        except DamagedImageError:
            if number == tries - 1:
                raise
    raise AssertionError("a domain has at least one image")


def list_damaged(messages: Sequence[str]) -> str:
    """Return what is wrong with some images as one text."""
    more = f", and {len(messages) - LISTED} more, which cgkit check --decode lists" if len(messages) > LISTED else ""
    return "; ".join(messages[:LISTED]) + more


def _try_all(
    domain: Domain, pixels: PixelFormat, read: Callable[[ImageRecord, PixelFormat], object]
) -> Iterator[tuple[int, DataError | None]]:
    """Yield the number of each image of a domain, and the error that reading it raised."""

    def attempt(record: ImageRecord) -> DataError | None:
        try:
            read(record, pixels)
        except DataError as error:
            return error
        return None

    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        yield from enumerate(pool.map(attempt, (domain[index] for index in range(len(domain)))))
