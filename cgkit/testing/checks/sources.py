"""Checks of sources."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cgkit.abilities import objects_of, order_of
from cgkit.contracts import Domain, ImageRecord, Source
from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject

EXAMINED = 3
"""Number of images to examine in each domain."""


def domains(source: Source) -> Iterator[tuple[str, Domain]]:
    """Yield each domain of training and test images, with the expression that returns the domain."""
    for split, pair in (("train", source.train()), ("test", source.test())):
        assert isinstance(pair, (tuple, list)), f"{split}() returns a {type(pair).__name__}; expected two domains"
        assert len(pair) == 2, f"{split}() returns {len(pair)} domains; expected two"
        yield from ((f"{split}()[{index}]", domain) for index, domain in enumerate(pair))


def first_records(domain: Domain) -> Iterator[ImageRecord]:
    """Yield the first few records of a domain."""
    for index in range(min(EXAMINED, len(domain))):
        yield domain[index]


def content(record: ImageRecord) -> bytes:
    """Return the content of a record as bytes."""
    if record.render is not None:
        return record.render().tobytes()
    if record.encoded is not None:
        return record.encoded()
    assert record.path is not None
    return record.path.read_bytes()


@check("sources")
def domains_hold_images_with_names_of_their_own(subject: Subject) -> None:
    """Both splits have two nonempty domains, whose images have unique names."""
    source = subject.build()
    for location, domain in domains(source):
        assert len(domain) > 0, f"{location} is empty"
        names = [domain[index].name for index in range(len(domain))]
        assert len(set(names)) == len(names), f"two images of {location} have the same name"


@check("sources")
def records_hold_one_image(subject: Subject) -> None:
    """A record has exactly one of `path`, `encoded` and `render`; rendered images are float32 in [0, 1]."""
    for location, domain in domains(subject.build()):
        for record in first_records(domain):
            given = [part for part in (record.path, record.encoded, record.render) if part is not None]
            name = f"{record.name} of {location}"
            assert len(given) == 1, f"{name} sets {len(given)} of path, encoded and render; expected exactly one"
            if record.render is None:
                assert content(record), f"{name} is empty"
                continue
            pixels = record.render()
            assert isinstance(pixels, np.ndarray), f"{name} renders a {type(pixels).__name__}; expected an array"
            assert pixels.dtype == np.float32, f"{name} renders {pixels.dtype}; expected float32"
            assert pixels.ndim == 3, f"{name} renders shape {pixels.shape}; expected (C, H, W)"
            in_range = float(pixels.min()) >= 0 and float(pixels.max()) <= 1
            assert in_range, f"{name} renders values from {pixels.min():.3g} to {pixels.max():.3g}, outside [0, 1]"


@check("sources")
def records_do_not_change(subject: Subject) -> None:
    """Images and fingerprints of a domain are always the same, even if the source is built again or unpickled."""
    pairs = zip(domains(subject.build()), domains(subject.build()), strict=True)
    for (location, first), (_, second) in pairs:
        same = first.fingerprint() == second.fingerprint()
        assert same, f"the fingerprint of {location} changes if the source is built again"
        unpickled: Domain = pickle.loads(pickle.dumps(first))
        for number, record in enumerate(first_records(first)):
            same = content(record) == content(second[number]) == content(unpickled[number])
            assert same, f"image {number} of {location} changes if the source is built again or unpickled"


@check("sources")
def fingerprints_tell_domains_apart(subject: Subject) -> None:
    """Domains with different images have different fingerprints."""
    first, second = subject.build().train()
    if content(first[0]) == content(second[0]):
        raise NotApplicableError
    assert first.fingerprint() != second.fingerprint(), "both domains have the same fingerprint"


@check("sources")
def aligned_tests_are_of_equal_length(subject: Subject) -> None:
    """A source declares whether its test images are aligned; if so, both domains have equally many test images."""
    source = subject.build()
    aligned = getattr(source, "aligned", None)
    assert isinstance(aligned, bool), f"its attribute aligned is {aligned!r}; expected true or false"
    lengths = [len(domain) for domain in source.test()]
    equal = lengths[0] == lengths[1]
    assert not aligned or equal, (
        f"its test images are aligned, but the domains have {lengths[0]} and {lengths[1]} of them"
    )


@check("sources")
def known_objects_have_labels(subject: Subject) -> None:
    """If a source knows objects, its test images are aligned, and have labels with numbers of its kinds of objects."""
    source = subject.build()
    kinds = objects_of(source)
    if not kinds:
        raise NotApplicableError
    assert source.aligned, "it has objects, but its test images are not aligned"
    for side, domain in zip("ab", source.test(), strict=True):
        numbers = {0}.union(*(kind.numbers for kind in kinds if side in kind.sides))
        for record in first_records(domain):
            label = record.extras.get("label")
            assert label is not None, f"it has objects, but its test image {record.name} has no label"
            if label.render is not None:
                found = {int(number) for number in np.unique(np.round(label.render() * 255))}
                assert found <= numbers, (
                    f"{record.name} of domain {side} is labelled {sorted(found - numbers)}, which no object has there"
                )


@check("sources")
def an_order_of_its_own_is_a_permutation(subject: Subject) -> None:
    """`order(epoch, seed)` contains every index exactly once, and depends only on its arguments."""
    ordered: list[Any] = [domain for domain in subject.build().train() if order_of(domain)]
    if not ordered:
        raise NotApplicableError
    for domain in ordered:
        for epoch, seed in ((0, 0), (1, 0), (0, 7)):
            order = [int(index) for index in domain.order(epoch, seed)]
            complete = sorted(order) == list(range(len(domain)))
            assert complete, f"its order for epoch {epoch} is not a permutation of its {len(domain)} images"
            second = [int(index) for index in domain.order(epoch, seed)]
            assert order == second, f"its order for epoch {epoch} changes from one call to the next"


@check("sources")
def its_paths_are_those_of_its_records(subject: Subject) -> None:
    """`paths()` returns the path of every record, in the order of the indices."""
    source = subject.build()
    domains: list[Any] = [domain for domain in (*source.train(), *source.test()) if hasattr(domain, "paths")]
    if not domains:
        raise NotApplicableError
    for domain in domains:
        recorded = [domain[index].path for index in range(len(domain))]
        assert [Path(path) for path in domain.paths()] == recorded, "its paths() are not the paths of its records"
