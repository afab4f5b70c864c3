"""The four networks of a CycleGAN, and the images of one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cgkit.abilities import mixes_samples
from cgkit.engine.gpu.lanes import InOrder


@dataclass(frozen=True)
class Passes:
    """Flags for the images that a forward pass generates; images that no loss needs are skipped."""

    fake_a: bool = True
    fake_b: bool = True
    cycled_a: bool = True
    cycled_b: bool = True
    identity_a: bool = True
    identity_b: bool = True

    def split(self, together: Iterable[frozenset[str]] = ()) -> tuple[Passes, ...]:
        """Return the parts that can be computed one at a time: each cycle and each identity pass.

        Args:
            together: sets of images, by the names of these flags, that must be in the same part.
        """
        groups = [{"fake_b", "cycled_a"}, {"fake_a", "cycled_b"}, {"identity_a"}, {"identity_b"}]
        for images in together:
            joined = [group for group in groups if group & images]
            groups = [set().union(*joined), *(group for group in groups if not group & images)]
        groups.sort(key=lambda group: min(map(_ORDER.index, group)))
        parts = (
            Passes(**{name: name in group and getattr(self, name) for name in _ORDER}) for group in groups if group
        )
        return tuple(part for part in parts if part != NO_PASSES)


_ORDER = ("fake_b", "cycled_a", "fake_a", "cycled_b", "identity_a", "identity_b")
"""The flags of `Passes` in the order in which the parts are computed."""


def trained_directions(passes: Passes) -> tuple[str, ...]:
    """Return the directions whose generators take part in a forward pass, `a2b` before `b2a`."""
    both = passes.cycled_a or passes.cycled_b
    taking_part = {
        "a2b": both or passes.fake_b or passes.identity_b,
        "b2a": both or passes.fake_a or passes.identity_a,
    }
    return tuple(direction for direction, takes_part in taking_part.items() if takes_part)


ALL_PASSES = Passes()
NO_PASSES = Passes(*[False] * 6)


@dataclass(frozen=True)
class CyclePass:
    """The images of one forward pass, `(N, C, H, W)` in [-1, 1]; None for images that were not generated.

    A translation is also generated if only its reconstruction was requested (see `Passes`).

    Attributes:
        real_a: real images of domain a.
        real_b: real images of domain b.
        fake_a: translations of `real_b`, G_b2a(b).
        fake_b: translations of `real_a`, G_a2b(a).
        cycled_a: reconstructions of `real_a`, G_b2a(G_a2b(a)).
        cycled_b: reconstructions of `real_b`, G_a2b(G_b2a(b)).
        identity_a: `real_a` translated into its own domain, G_b2a(a).
        identity_b: `real_b` translated into its own domain, G_a2b(b).
    """

    real_a: Tensor
    real_b: Tensor
    fake_a: Tensor | None = None
    fake_b: Tensor | None = None
    cycled_a: Tensor | None = None
    cycled_b: Tensor | None = None
    identity_a: Tensor | None = None
    identity_b: Tensor | None = None

    def detach(self) -> CyclePass:
        """Return the same images without their autograd history."""
        return replace(self, **{name: image.detach() for name, image in self._images().items()})

    def merge(self, other: CyclePass) -> CyclePass:
        """Return a pass with the images of this pass and of `other`; where both have an image, use that of `other`."""
        return replace(self, **other._images())

    def _images(self) -> dict[str, Tensor]:
        images = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: image for name, image in images.items() if image is not None}


class CycleGAN(nn.Module):
    """Two generators and two discriminators; `discriminator_b` judges images of domain b (Zhu et al., 2017)."""

    def __init__(
        self,
        generator_a2b: nn.Module,
        generator_b2a: nn.Module,
        discriminator_a: nn.Module,
        discriminator_b: nn.Module,
    ) -> None:
        super().__init__()
        self.recompute = False
        """Whether to recompute the generators' activations in the backward pass instead of storing them."""
        self.generators = nn.ModuleDict({"a2b": generator_a2b, "b2a": generator_b2a})
        self.discriminators = nn.ModuleDict({"a": discriminator_a, "b": discriminator_b})
        self.lanes = InOrder()
        """How independent parts of a step are computed: one after the other, or at the same time."""
        self.compiled: dict[nn.Module, nn.Module] = {}
        """Compiled networks, which share the parameters of the original ones; empty unless networks are compiled."""

    def networks(self) -> tuple[nn.Module, ...]:
        """Return the two generators and the two discriminators."""
        return (*self.generators.values(), *self.discriminators.values())

    def compile_networks(self, networks: Iterable[nn.Module]) -> None:
        """Compile networks with `torch.compile`, separately for every image shape that they are called with."""
        self.compiled = {network: cast(nn.Module, torch.compile(network, dynamic=False)) for network in networks}

    def discriminator(self, domain: str) -> nn.Module:
        """Return the discriminator of a domain, compiled if the networks are."""
        discriminator = self.discriminators[domain]
        return self.compiled.get(discriminator, discriminator)

    def forward(self, real_a: Tensor, real_b: Tensor, passes: Passes = ALL_PASSES) -> CyclePass:
        """Translate both ways, reconstruct, and apply each generator to its own target domain, as `passes` requests."""
        (fake_b, identity_b), (fake_a, identity_a) = self.lanes.side_by_side(
            lambda: self._generate(
                "a2b",
                real_a if passes.fake_b or passes.cycled_a else None,
                real_b if passes.identity_b else None,
            ),
            lambda: self._generate(
                "b2a",
                real_b if passes.fake_a or passes.cycled_b else None,
                real_a if passes.identity_a else None,
            ),
        )
        self.lanes.mark()
        (cycled_a,), (cycled_b,) = self.lanes.side_by_side(
            lambda: self._generate("b2a", fake_b if passes.cycled_a else None),
            lambda: self._generate("a2b", fake_a if passes.cycled_b else None),
        )
        return CyclePass(real_a, real_b, fake_a, fake_b, cycled_a, cycled_b, identity_a, identity_b)

    def _generate(self, direction: str, *batches: Tensor | None) -> tuple[Tensor | None, ...]:
        generator = self.generators[direction]
        generator = self.compiled.get(generator, generator)
        # Recomputing a batch would update the running statistics of batch norm twice.
        if not self.recompute or mixes_samples(generator):
            return _call_once(generator, *batches)
        return _call_once(lambda images: checkpoint(generator, images, use_reentrant=False), *batches)


def _call_once(network: Callable[[Tensor], Any], *batches: Tensor | None) -> tuple[Tensor | None, ...]:
    """Apply a network to each batch, in one call on the concatenation if that gives the same result."""
    given = [batch for batch in batches if batch is not None]
    if len(given) < 2 or (isinstance(network, nn.Module) and mixes_samples(network)):
        return tuple(None if batch is None else network(batch) for batch in batches)
    outputs = iter(network(torch.cat(given)).split([len(batch) for batch in given]))
    return tuple(None if batch is None else next(outputs) for batch in batches)
