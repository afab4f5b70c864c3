"""The four networks of a CycleGAN, and the images that they make of a pair of batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


@dataclass(frozen=True)
class Passes:
    """Which images a forward pass makes; what no loss asks for is not computed."""

    fake_a: bool = True
    fake_b: bool = True
    cycled_a: bool = True
    cycled_b: bool = True
    identity_a: bool = True
    identity_b: bool = True

    def apart(self) -> tuple[Passes, ...]:
        """Return passes that can be made, and forgotten, one after the other: each cycle, each identity."""
        nothing = Passes(*[False] * 6)
        parts = (
            replace(nothing, fake_b=self.fake_b, cycled_a=self.cycled_a),
            replace(nothing, fake_a=self.fake_a, cycled_b=self.cycled_b),
            replace(nothing, identity_a=self.identity_a),
            replace(nothing, identity_b=self.identity_b),
        )
        return tuple(part for part in parts if part != nothing)


ALL_PASSES = Passes()


@dataclass(frozen=True)
class CyclePass:
    """Everything that one forward pass made, `(N, C, H, W)` in [-1, 1]; None where it was not asked for.

    Attributes:
        real_a: images of domain a.
        real_b: images of domain b.
        fake_a: b translated to a.
        fake_b: a translated to b.
        cycled_a: a to b and back to a.
        cycled_b: b to a and back to b.
        identity_a: what the generator into a makes of images that are of a already.
        identity_b: what the generator into b makes of images that are of b already.
    """

    real_a: Tensor
    real_b: Tensor
    fake_a: Tensor | None
    fake_b: Tensor | None
    cycled_a: Tensor | None = None
    cycled_b: Tensor | None = None
    identity_a: Tensor | None = None
    identity_b: Tensor | None = None

    def detached(self) -> CyclePass:
        """Return the same images without their history."""
        made = {
            field.name: getattr(self, field.name) for field in fields(self) if getattr(self, field.name) is not None
        }
        return replace(self, **{name: image.detach() for name, image in made.items()})

    def beside(self, other: CyclePass) -> CyclePass:
        """Return the images of both, of which each made its own share."""
        made = {
            field.name: getattr(other, field.name) for field in fields(other) if getattr(other, field.name) is not None
        }
        return replace(self, **made)


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
        """Whether what a generator computed on the way is computed again for its gradient, in place of being kept."""
        self.generators = nn.ModuleDict({"a2b": generator_a2b, "b2a": generator_b2a})
        self.discriminators = nn.ModuleDict({"a": discriminator_a, "b": discriminator_b})
        self.compiled: dict[nn.Module, nn.Module] = {}
        """What is called in place of a network to train it; has the network's own parameters and attributes."""

    def compile_networks(self) -> None:
        """Let torch compile each network for every shape of images that it is called with from now on."""
        networks = (*self.generators.values(), *self.discriminators.values())
        self.compiled = {network: cast(nn.Module, torch.compile(network, dynamic=False)) for network in networks}

    def discriminator(self, domain: str) -> nn.Module:
        """Return what to call to have images of a domain judged."""
        discriminator = self.discriminators[domain]
        return self.compiled.get(discriminator, discriminator)

    def forward(self, real_a: Tensor, real_b: Tensor, passes: Passes = ALL_PASSES) -> CyclePass:
        """Translate both ways, there and back, and on to themselves, as far as `passes` asks for it."""
        fake_b, identity_b = self._translated(
            "a2b",
            real_a if passes.fake_b or passes.cycled_a else None,
            real_b if passes.identity_b else None,
        )
        fake_a, identity_a = self._translated(
            "b2a",
            real_b if passes.fake_a or passes.cycled_b else None,
            real_a if passes.identity_a else None,
        )
        (cycled_a,) = self._translated("b2a", fake_b if passes.cycled_a else None)
        (cycled_b,) = self._translated("a2b", fake_a if passes.cycled_b else None)
        return CyclePass(real_a, real_b, fake_a, fake_b, cycled_a, cycled_b, identity_a, identity_b)

    def _translated(self, direction: str, *batches: Tensor | None) -> tuple[Tensor | None, ...]:
        generator = self.generators[direction]
        generator = self.compiled.get(generator, generator)
        # Batch norm would count a batch twice that it sees twice.
        if not self.recompute or mixes_samples(generator):
            return _together(generator, *batches)
        return _together(lambda images: checkpoint(generator, images, use_reentrant=False), *batches)


def mixes_samples(network: nn.Module) -> bool:
    """Return whether what a network makes of one image depends on the others of the batch.

    So it is with batch statistics in training mode; another reason is declared by `mixes_samples = True`.
    """
    return any(
        getattr(module, "mixes_samples", False) or (isinstance(module, _BatchNorm) and module.training)
        for module in network.modules()
    )


def _together(network: Callable[[Tensor], Any], *batches: Tensor | None) -> tuple[Tensor | None, ...]:
    """Return what a network makes of each batch; in one call, where that gives the same."""
    given = [batch for batch in batches if batch is not None]
    if len(given) < 2 or (isinstance(network, nn.Module) and mixes_samples(network)):
        return tuple(None if batch is None else network(batch) for batch in batches)
    made = iter(network(torch.cat(given)).split([len(batch) for batch in given]))
    return tuple(None if batch is None else next(made) for batch in batches)
