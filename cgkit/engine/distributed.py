"""Several processes that train one model: who is who, and what they tell each other.

Plain collectives on flat buffers (as StyleGAN3 does it): DistributedDataParallel reduces during backward, and leaves
the ranks unequal, without an error, where a loss runs backward twice through one network.
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
"""How long a process waits for the others: the first one may be writing a checkpoint or drawing samples."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run; by default there is one.

    Attributes:
        rank: which of them this is.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    @property
    def stream(self) -> tuple[int, ...]:
        """What tells this process's draws from those of the others; empty for the first, so that one is as none."""
        return (self.rank,) if self.rank else ()

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their mean over all processes, in one collective.

        What is not finite in one process is not finite in all of them afterwards.
        """
        if self.count == 1 or not tensors:
            return
        flat = _flat(tensors)
        with _lost_peers_explained():
            dist.all_reduce(flat)
        _spread(flat / self.count, tensors)

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensor of every process, in order of rank; all have the same shape."""
        if self.count == 1:
            return [tensor]
        gathered = [torch.empty_like(tensor) for _ in range(self.count)]
        with _lost_peers_explained():
            dist.all_gather(gathered, tensor.contiguous())
        return gathered

    def share_first(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of the first process."""
        if self.count == 1:
            return
        for _, group in groupby(sorted(tensors, key=lambda one: str(one.dtype)), key=lambda one: one.dtype):
            alike = list(group)
            flat = _flat(alike)
            with _lost_peers_explained():
                dist.broadcast(flat, 0)
            _spread(flat, alike)

    def hold_the_same(self, tensors: Iterable[Tensor]) -> bool:
        """Return whether every process has the same numbers in its tensors, by two sums of each."""
        if self.count == 1:
            return True
        sums = [torch.stack([part.detach().double().sum(), part.detach().double().abs().sum()]) for part in tensors]
        gathered = self.gather(torch.stack(sums))
        return all(torch.equal(one, gathered[0]) for one in gathered)

    def wait_for_all(self) -> None:
        """Return when every process has come here."""
        if self.count > 1:
            with _lost_peers_explained():
                dist.barrier()


ALONE = Processes()


def refuse_uneven_shares(batch: int, count: int) -> None:
    """Refuse a batch that cannot be shared out evenly: a step's gradient is the mean over its whole batch.

    Raises:
        SpecError: the batch is no multiple of the number of processes.
    """
    if batch % count:
        raise SpecError(
            [
                Problem(
                    "train.batch",
                    f"a batch of {batch} cannot be shared out evenly to {count} processes",
                    f"take a multiple: it is the batch of all processes together, --set train.batch={count}",
                )
            ]
        )


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Yield the processes that torchrun started together with this one, joined; alone where it did not.

    Raises:
        ResourceError: the others cannot be reached.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "MASTER_ADDR" not in os.environ:
        yield ALONE
        return
    # Its functions keep the group of the moment of its import as a default, and torch imports it with the first
    # optimizer: imported later than here, it kept the group alive, whose threads abort a process that has ended.
    import torch.distributed.nn.functional  # noqa: F401

    backend = "nccl" if device.type == "cuda" else "gloo"
    with _lost_peers_explained():
        store, rank, count = next(rendezvous("env://", timeout=PATIENCE))
        # torchrun may keep one store over restarts: without a prefix, the addresses of dead processes stand in it.
        store = dist.PrefixStore(f"cgkit-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)  # type: ignore[attr-defined]
        own_device = device if device.type == "cuda" else None
        dist.init_process_group(
            backend, store=store, rank=rank, world_size=count, timeout=PATIENCE, device_id=own_device
        )
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten().to(tensors[0].dtype) for tensor in tensors])


def _spread(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.detach().copy_(part.view_as(tensor))


@contextmanager
def _lost_peers_explained() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch.distributed raises nothing more particular on gloo
        reason = str(error).splitlines()[0]
        raise ResourceError(
            f"another process of this run cannot be reached any more: {reason}",
            hint="its own message says why; run again to continue from the last checkpoint",
        ) from error
