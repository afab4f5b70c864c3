"""`tests/lock.txt` names a version of everything that cgkit, its extras and its tests need."""

from __future__ import annotations

from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.write_lock import LOCK


def test_the_lock_has_an_allowed_version_of_every_requirement() -> None:
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    locked = dict(line.split("==") for line in lines)
    needed = [requirement for requirement in map(Requirement, requires("cgkit") or ()) if requirement.name != "cgkit"]
    assert len(needed) > 30
    chosen = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": "test"}) or _is_extra(one)]
    missing = {
        str(requirement)
        for requirement in chosen
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    }
    assert missing == set()


def _is_extra(requirement: Requirement) -> bool:
    """Whether a requirement belongs to an extra that the tests need; `dev` is for developers alone."""
    extras = ("docs", "heif", "hub", "metrics", "onnx", "serve", "study", "tensorboard", "tiff", "video")
    return any(requirement.marker is not None and requirement.marker.evaluate({"extra": extra}) for extra in extras)
