"""Choose what to hold out for testing by the digests of names, so that more data moves little between the parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Set


def first_by_digest(names: Iterable[str], count: int) -> set[str]:
    """Return the `count` names with the smallest digests."""

    def digest(name: str) -> bytes:
        return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()

    return set(sorted(names, key=digest)[:count])


def hold_out(a: Set[str], b: Set[str], share: float) -> set[str]:
    """Return the names to hold out of two domains. Names of both domains are held out of both, or of none.

    Each domain keeps at least one name, and at least one of its names is held out.

    Args:
        a: the names of domain a, such as those of patients, at least two.
        b: the names of domain b, likewise.
        share: the share of the names to hold out, above 0 and below 1.
    """
    both = a & b
    chosen: set[str] = set()
    for names in (both, a - both, b - both):
        chosen |= first_by_digest(names, round(share * len(names)))
    for names in (a, b):
        if not names & chosen:
            chosen |= first_by_digest(both or names, 1)
    for names in (a, b):
        if names <= chosen:  # a share close to 1
            chosen -= first_by_digest(both or names, 1)
    return chosen
