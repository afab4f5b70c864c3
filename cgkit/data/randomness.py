"""Random numbers as a pure function of (seed, stream, step, index).

Because there is no state, a resumed run needs no saved generator state, and results do not depend on the number of
workers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, stream: str, *indices: int) -> int:
    """Return the 63-bit seed for one use of a stream of random numbers.

    Args:
        seed: The seed of the run.
        stream: The purpose of the random numbers, such as `"order-a"`, `"step"` or `"image-pool"`.
        indices: Numbers that distinguish the uses of the stream, such as the step or the index of an image.
    """
    text = ":".join([str(seed), stream, *map(str, indices)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, stream: str, *indices: int) -> torch.Generator:
    """Return a CPU generator seeded with the result of `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(seed, stream, *indices))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator for a `with` block, and restore the generator's state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
