"""Data-parallel training with several processes.

Plain collectives on flat buffers, as in StyleGAN3. DistributedDataParallel reduces during the backward pass and lets
the ranks diverge silently if a loss runs backward twice through one network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from cgkit.errors import Problem, ResourceError, SpecError

PATIENCE = timedelta(minutes=30)
"""Timeout of a collective. Rank 0 may be writing a checkpoint or drawing samples meanwhile."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run; by default just this one.

    Attributes:
        rank: the rank of this process.
        count: the number of processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes the files."""
        return self.rank == 0

    @property
    def stream(self) -> tuple[int, ...]:
        """What distinguishes this rank's random draws. Empty for rank 0, which draws like a single process."""
        return (self.rank,) if self.rank else ()

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their mean over all ranks, in one all-reduce.

        A value that is not finite on one rank is not finite on any rank afterwards.
        """
        if self.count == 1 or not tensors:
            return
        flat = _flatten(tensors)
        with _explain_lost_ranks():
            dist.all_reduce(flat)
        _unflatten(flat / self.count, tensors)

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensor of every rank, in order; all have the same shape."""
        if self.count == 1:
            return [tensor]
        gathered = [torch.empty_like(tensor) for _ in range(self.count)]
        with _explain_lost_ranks():
            dist.all_gather(gathered, tensor.contiguous())
        return gathered

    def share_first(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of rank 0."""
        if self.count == 1:
            return
        ordered = sorted(tensors, key=lambda tensor: str(tensor.dtype))
        for _, group in groupby(ordered, key=lambda tensor: tensor.dtype):
            same_dtype = list(group)
            flat = _flatten(same_dtype)
            with _explain_lost_ranks():
                dist.broadcast(flat, 0)
            _unflatten(flat, same_dtype)

    def hold_the_same(self, tensors: Iterable[Tensor]) -> bool:
        """Return whether all ranks hold the same values, judged by two sums of each tensor."""
        if self.count == 1:
            return True
        values = [tensor.detach().double() for tensor in tensors]
        sums = self.gather(torch.stack([torch.stack([value.sum(), value.abs().sum()]) for value in values]))
        return all(torch.equal(own, sums[0]) for own in sums)

    def wait_for_all(self) -> None:
        """Wait until every rank has called this."""
        if self.count > 1:
            with _explain_lost_ranks():
                dist.barrier()


ALONE = Processes()


def refuse_uneven_shares(batch: int, count: int) -> None:
    """Refuse a batch that cannot be split evenly: a step's gradient is the mean over its whole batch.

    Raises:
        SpecError: the batch is not a multiple of the number of processes.
    """
    if batch % count:
        message = f"a batch of {batch} cannot be split evenly over {count} processes"
        hint = f"train.batch counts all processes together; use a multiple: --set train.batch={count}"
        raise SpecError([Problem("train.batch", message, hint)])


@contextmanager
def join(device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun started; yield a single process if it did not start any.

    Raises:
        ResourceError: the others cannot be reached.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "MASTER_ADDR" not in os.environ:
        yield ALONE
        return
    # The module's functions keep the process group of the time of import as a default argument, and torch imports it
    # with the first optimizer. Imported after init_process_group, it would keep the group alive, and the group's
    # threads abort a process that is exiting.
    import torch.distributed.nn.functional  # noqa: F401

    backend = "nccl" if device.type == "cuda" else "gloo"
    with _explain_lost_ranks():
        store, rank, count = next(rendezvous("env://", timeout=PATIENCE))
        # torchrun may keep one store over restarts. Without a prefix, it would hold the addresses of dead processes.
        store = dist.PrefixStore(f"cgkit-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)  # type: ignore[attr-defined]
        own_device = device if device.type == "cuda" else None
        dist.init_process_group(
            backend, store=store, rank=rank, world_size=count, timeout=PATIENCE, device_id=own_device
        )
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def _flatten(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten().to(tensors[0].dtype) for tensor in tensors])


def _unflatten(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.detach().copy_(part.view_as(tensor))


@contextmanager
def _explain_lost_ranks() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch.distributed raises nothing more specific on gloo
        reason = str(error).splitlines()[0]
        raise ResourceError(
            f"another process of this run is gone: {reason}",
            hint="see its own message for the cause; run again to continue from the last checkpoint",
        ) from error
