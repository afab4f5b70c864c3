"""A step that was done before it was known whether to: what tells, and the way back.

A GPU works behind the program that gives it work. To ask it in every step whether a loss was finite would make both
wait for each other; so a step is done on condition, by the device, and looked at when the next one is under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cgkit.engine.image_pool import ImagePool
from cgkit.engine.objective import Terms
from cgkit.errors import DivergedError


class Answer:
    """Whether something is so, on its way from the device."""

    def __init__(self, value: Tensor) -> None:
        self._value = value.to("cpu", non_blocking=True)
        self._arrived = torch.cuda.Event() if value.is_cuda else None  # type: ignore[no-untyped-call]
        if self._arrived is not None:
            self._arrived.record()

    def __bool__(self) -> bool:
        if self._arrived is not None:
            self._arrived.synchronize()
        return bool(self._value)


@dataclass(frozen=True)
class Traces:
    """What images leave behind that pass through the networks, even where nothing is learned from them."""

    buffers: Sequence[tuple[nn.Module, str, Tensor]]
    stored: Mapping[str, tuple[Tensor, ...]]

    @staticmethod
    def of(networks: Iterable[nn.Module], pools: Mapping[str, ImagePool]) -> Traces:
        """Return the buffers and the image pools as they are."""
        modules = [module for network in networks for module in network.modules()]
        buffers = [
            (module, name, buffer.clone()) for module in modules for name, buffer in module.named_buffers(recurse=False)
        ]
        return Traces(buffers, {domain: tuple(pool.images) for domain, pool in pools.items()})

    @torch.no_grad()
    def restore(self, pools: Mapping[str, ImagePool]) -> None:
        """Make the buffers and the image pools what they were."""
        for module, name, before in self.buffers:
            now = getattr(module, name)
            if isinstance(now, Tensor) and now.shape == before.shape:
                now.copy_(before)
            else:
                setattr(module, name, before)
        for domain, pool in pools.items():
            pool.images = list(self.stored[domain])


@dataclass(frozen=True)
class Unsettled:
    """A step of which it is not known yet whether its losses and gradients were finite.

    Attributes:
        number: which step, from 1.
        losses: its terms.
        images: the names of its images.
        before: how things were before it.
        finite: the answer.
    """

    number: int
    losses: Terms
    images: Sequence[str]
    before: Traces
    finite: Answer

    def error(self) -> DivergedError:
        """Return what to tell where it was not finite."""
        bad = [f"{name} = {float(term)}" for name, term in self.losses.items() if not torch.isfinite(term)]
        what = ", ".join(bad) or "a gradient (every loss is finite)"
        return DivergedError(
            f"not finite at step {self.number}: {what}; the step was not applied; the images were "
            + ", ".join(self.images),
            hint='a lower learning_rate, clip_gradients or precision = "fp32" may help',
        )
