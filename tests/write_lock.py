"""Write the versions of what the tests need, directly or not, to `lock.txt`: what an audit or a repetition needs."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).with_name("lock.txt")
HEADER = "# What the tests ran with, written by `make lock`. pip install -r tests/lock.txt\n"


def list_versions(package: str, extras: set[str]) -> dict[str, str]:
    """Return the installed version of each package that a package with some extras needs, directly or not."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    pending = [(package, extra) for extra in sorted(extras | {""})]
    while pending:
        name, extra = pending.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        installed = distribution(name)
        found[canonicalize_name(name)] = installed.version
        for requirement in map(Requirement, installed.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                pending += [(canonicalize_name(requirement.name), each) for each in ("", *sorted(requirement.extras))]
    del found[canonicalize_name(package)]
    return found


if __name__ == "__main__":
    versions = list_versions("cgkit", {"test"})
    LOCK.write_text(HEADER + "".join(f"{name}=={versions[name]}\n" for name in sorted(versions)))
