"""Data-parallel training with several processes.

Uses plain collectives on flat buffers, as StyleGAN3 does. DistributedDataParallel is unsuitable: it reduces gradients
during the backward pass, and ranks silently diverge if several backward passes go through the same network.
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
"""Timeout of a collective, in which the other ranks may wait while rank 0 writes a checkpoint or draws samples."""


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
        """Extra seed numbers that make each rank draw differently; empty for rank 0, which draws as if alone."""
        return (self.rank,) if self.rank else ()

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors in place with their means over all ranks, in one all-reduce.

        A value that is not finite on one rank is not finite on any rank afterwards.
        """
        if self.count == 1 or not tensors:
            return
        flat = _flatten(tensors)
        with _explain_lost_ranks():
            dist.all_reduce(flat)
        _unflatten(flat / self.count, tensors)

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors of all ranks, in rank order; all must have the same shape and dtype."""
        if self.count == 1:
            return [tensor]
        gathered = [torch.empty_like(tensor) for _ in range(self.count)]
        with _explain_lost_ranks():
            dist.all_gather(gathered, tensor.contiguous())
        return gathered

    def share_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors in place with those of rank 0."""
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
        """Return whether all ranks hold the same values, judged by the sums of values and of absolute values."""
        if self.count == 1:
            return True
        values = [tensor.detach().double() for tensor in tensors]
        sums = self.gather(torch.stack([torch.stack([value.sum(), value.abs().sum()]) for value in values]))
        return all(torch.equal(own, sums[0]) for own in sums)

    def wait_for_all(self) -> None:
        """Wait until every rank has called this method."""
        if self.count > 1:
            with _explain_lost_ranks():
                dist.barrier()


ALONE = Processes()


def refuse_uneven_shares(batch: int, count: int) -> None:
    """Refuse a batch that cannot be split evenly, because gradients are averaged over ranks with equal weights.

    Raises:
        SpecError: the batch is not a multiple of the number of processes.
    """
    if batch % count:
        message = f"a batch of {batch} cannot be split evenly over {count} processes"
        hint = (
            f"use a multiple, as it counts all processes: --set train.batch={count} (to resume: --change train.batch)"
        )
        raise SpecError([Problem("train.batch", message, hint)])


@contextmanager
def join(device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun started and yield them; yield `ALONE` if there is only one process.

    Raises:
        ResourceError: the other processes cannot be reached.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "MASTER_ADDR" not in os.environ:
        yield ALONE
        return
    # Import this module before init_process_group, because its functions keep the process group that exists at import
    # time as a default argument. Otherwise torch would import the module with the first optimiser, the group would stay
    # alive until the process exits, and the group's threads would abort the exiting process.
    import torch.distributed.nn.functional  # noqa: F401

    backend = "nccl" if device.type == "cuda" else "gloo"
    with _explain_lost_ranks():
        store, rank, count = next(rendezvous("env://", timeout=PATIENCE))
        # torchrun may reuse a store after a restart. The prefix hides the addresses of dead processes in that store.
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
    except RuntimeError as error:  # torch.distributed has no narrower error for gloo
        reason = str(error).splitlines()[0]
        raise ResourceError(
            f"lost contact with another process of this run: {reason}",
            hint="see the error of that process for the cause; run again to resume from the last checkpoint",
        ) from error
