"""`tests/lock.txt` names a version of everything that cgkit, its extras and its tests need."""

from __future__ import annotations

from importlib.metadata import metadata, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.write_lock import LOCK


def test_the_lock_has_an_allowed_version_of_every_requirement() -> None:
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    locked = dict(line.split("==") for line in lines)
    needed = [requirement for requirement in map(Requirement, requires("cgkit") or ()) if requirement.name != "cgkit"]
    assert len(needed) > 30
    # `dev` is for developers alone, and `all` names other extras.
    extras = set(metadata("cgkit").get_all("Provides-Extra") or ()) - {"dev", "all"}
    chosen = [
        one for one in needed if one.marker is None or any(map(one.marker.evaluate, ({"extra": e} for e in extras)))
    ]
    missing = {
        str(requirement)
        for requirement in chosen
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    }
    assert missing == set()
