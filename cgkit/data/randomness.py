"""Random numbers as a pure function of (seed, stream, step, index).

Because there is no state, a resumed run needs no saved generators, and results do not depend on the number of workers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, stream: str, *indices: int) -> int:
    """Return a 63-bit seed for a stream of random numbers and indices.

    Args:
        seed: The seed of the run.
        stream: The purpose of the random numbers: `"order-a"`, `"step"`, `"image-pool"` ...
        indices: Whatever distinguishes one use from the next: the step, the index of the image ...
    """
    text = ":".join([str(seed), stream, *map(str, indices)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, stream: str, *indices: int) -> torch.Generator:
    """Return a CPU generator with the seed from `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(seed, stream, *indices))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator for the duration of a `with` block, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
