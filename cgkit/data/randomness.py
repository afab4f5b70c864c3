"""Randomness as a pure function of (seed, stream, step, index).

Nothing here remembers anything, so a resumed run needs no saved generator state, and the number of loader workers
changes no draw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, stream: str, *indices: int) -> int:
    """Return a 63-bit seed for one stream of draws at one place.

    Args:
        seed: the run's seed.
        stream: what is drawn: `"order-a"`, `"step"`, `"image-pool"` ...
        indices: where: the step, the image's index, whatever tells one draw from the next.
    """
    text = ":".join([str(seed), stream, *map(str, indices)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, stream: str, *indices: int) -> torch.Generator:
    """Return a CPU generator for one stream of draws at one place."""
    return torch.Generator().manual_seed(derive_seed(seed, stream, *indices))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch's global CPU generator draw from `seed` inside, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
