"""The image pools of all ranks in one checkpoint, so that another number of ranks can go on with them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cgkit.engine.distributed import Processes
from cgkit.engine.image_pool import ImagePools


def gather_pools(pools: ImagePools, processes: Processes) -> dict[str, Tensor]:
    """Return the stored images of all ranks, by name. All ranks must call this function together."""
    return {
        _name_pool(domain, rank): images
        for domain, own in pools.tensors().items()
        for rank, images in enumerate(processes.gather(own))
    }


def share_pools(saved: Mapping[str, Tensor], processes: Processes, capacity: int) -> dict[str, Tensor]:
    """Return this rank's part of the saved images, by domain.

    As many ranks as before each restore their own pools. Another number of ranks shares out all images evenly, because
    every rank exchanges equally many in each step; the rest is dropped.

    Args:
        saved: the result of `gather_pools`.
        processes: the processes that go on.
        capacity: the maximum number of images in each pool.
    """
    own = {domain: _share(_list_pools(saved, domain), processes, capacity) for domain in "ab"}
    return {domain: images for domain, images in own.items() if images is not None}


def count_ranks(saved: Mapping[str, Tensor]) -> int:
    """Return the number of ranks that saved their image pools; 0 if there are no pools."""
    return max(len(_list_pools(saved, domain)) for domain in "ab")


def _share(pools: list[Tensor], processes: Processes, capacity: int) -> Tensor | None:
    if not pools:
        return None
    if len(pools) == processes.count:
        return pools[processes.rank]
    images = torch.cat(pools)
    share = min(len(images) // processes.count, capacity)
    return images[processes.rank * share : (processes.rank + 1) * share] if share else None


def _list_pools(saved: Mapping[str, Tensor], domain: str) -> list[Tensor]:
    """Return the saved pools of a domain, in rank order."""
    return [saved[name] for rank in range(len(saved)) if (name := _name_pool(domain, rank)) in saved]


def _name_pool(domain: str, rank: int) -> str:
    """Return the name of a rank's pool in the file `pool`: `a` or `b` for rank 0, `a.1` or `b.1` for rank 1, etc."""
    return f"{domain}.{rank}" if rank else domain
