"""What is asked of sources."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np

from cgkit.contracts import Domain, ImageRecord, Source
from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject

LOOKED_AT = 3
"""How many images of a domain are looked at."""


def domains(source: Source) -> Iterator[tuple[str, Domain]]:
    """Yield the domains of both splits, and what they are called."""
    for split, both in (("train", source.train()), ("test", source.test())):
        assert isinstance(both, (tuple, list)), f"{split}() returns a {type(both).__name__}, where two domains are due"
        assert len(both) == 2, f"{split}() returns {len(both)} domains, where two are due"
        yield from ((f"{split}()[{side}]", domain) for side, domain in enumerate(both))


def some_of(domain: Domain) -> Iterator[ImageRecord]:
    """Yield a few records of a domain."""
    for index in range(min(LOOKED_AT, len(domain))):
        yield domain[index]


def content(record: ImageRecord) -> bytes:
    """Return what a record holds."""
    if record.render is not None:
        return record.render().tobytes()
    if record.encoded is not None:
        return record.encoded()
    assert record.path is not None
    return record.path.read_bytes()


@check("sources")
def domains_hold_images_with_names_of_their_own(subject: Subject) -> None:
    """Both splits have two domains, none empty, whose images have names that are unique."""
    source = subject.build()
    for where, domain in domains(source):
        assert len(domain) > 0, f"{where} is empty"
        names = [domain[index].name for index in range(len(domain))]
        assert len(set(names)) == len(names), f"two images of {where} have one name"


@check("sources")
def records_hold_one_image(subject: Subject) -> None:
    """A record has a path, bytes or a render function, one of the three; what it renders is float32 in [0, 1]."""
    for where, domain in domains(subject.build()):
        for record in some_of(domain):
            given = [part for part in (record.path, record.encoded, record.render) if part is not None]
            assert len(given) == 1, f"{record.name} of {where} has {len(given)} of path, encoded and render"
            if record.render is None:
                assert content(record), f"{record.name} of {where} is empty"
                continue
            pixels = record.render()
            what = f"{record.name} of {where} is rendered as"
            assert isinstance(pixels, np.ndarray), f"{what} a {type(pixels).__name__}, no array"
            assert pixels.dtype == np.float32, f"{what} {pixels.dtype}, where float32 is expected"
            assert pixels.ndim == 3, f"{what} shape {pixels.shape}, where (C, H, W) is expected"
            in_range = float(pixels.min()) >= 0 and float(pixels.max()) <= 1
            assert in_range, f"{what} values from {pixels.min():.3g} to {pixels.max():.3g}, outside [0, 1]"


@check("sources")
def records_do_not_change(subject: Subject) -> None:
    """The same index gives the same image each time, in another process too; fingerprints say so."""
    one, other = subject.build(), subject.build()
    for (where, first), (_, second) in zip(domains(one), domains(other), strict=True):
        same = first.fingerprint() == second.fingerprint()
        assert same, f"the fingerprint of {where} differs from one time to another"
        carried: Domain = pickle.loads(pickle.dumps(first))
        for number, record in enumerate(some_of(first)):
            same = content(record) == content(second[number]) == content(carried[number])
            assert same, f"image {number} of {where} is another each time"


@check("sources")
def fingerprints_tell_domains_apart(subject: Subject) -> None:
    """Domains that hold different images have different fingerprints."""
    train = subject.build().train()
    if content(train[0][0]) == content(train[1][0]):
        raise NotApplicableError
    assert train[0].fingerprint() != train[1].fingerprint(), "both domains have one fingerprint"


@check("sources")
def aligned_tests_are_of_equal_length(subject: Subject) -> None:
    """It says whether its test images are aligned; if so, there are as many in both domains."""
    source = subject.build()
    aligned = getattr(source, "aligned", None)
    assert isinstance(aligned, bool), f"its attribute aligned is {aligned!r}, where true or false is due"
    test = source.test()
    lengths = [len(domain) for domain in test]
    assert not aligned or lengths[0] == lengths[1], f"its test images are aligned, but {lengths[0]} and {lengths[1]}"


@check("sources")
def an_order_of_its_own_is_a_permutation(subject: Subject) -> None:
    """`order(epoch, seed)` has every index once, and is a function of its arguments alone."""
    train = subject.build().train()
    if not any(hasattr(domain, "order") for domain in train):
        raise NotApplicableError
    for domain in train:
        ordered = getattr(domain, "order", None)
        if ordered is None:
            continue
        for epoch, seed in ((0, 0), (1, 0), (0, 7)):
            order = [int(index) for index in ordered(epoch, seed)]
            complete = sorted(order) == list(range(len(domain)))
            assert complete, f"its order of epoch {epoch} is not a permutation of its {len(domain)} images"
            again = [int(index) for index in ordered(epoch, seed)]
            assert order == again, f"its order of epoch {epoch} is another each time"
