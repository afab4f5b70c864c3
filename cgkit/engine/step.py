"""One training step, as in the paper: compute the gradients of both generators, then of both discriminators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from cgkit.engine.cyclegan import CycleGAN, CyclePass, Passes
from cgkit.engine.image_pool import ImagePools
from cgkit.engine.objective import Losses, Objective
from cgkit.engine.objective.terms import Extras


class Step:
    """Computes the gradients of one step on one batch (Zhu et al., 2017, sections 3 and 4).

    It does not update weights. The discriminators learn from images generated before the update of the generators.
    """

    def __init__(
        self, model: CycleGAN, objective: Objective, image_pools: ImagePools, backward: Callable[[Losses], None]
    ) -> None:
        self.model = model
        self.objective = objective
        self.image_pools = image_pools
        self._backward = backward

    def __call__(self, real_a: Tensor, real_b: Tensor, extras: Extras) -> None:
        """Accumulate the gradients for a batch of real images of each domain, `(N, C, H, W)` in [-1, 1]."""
        cycle = self.train_generators(real_a, real_b, extras, self.objective.passes)
        self.model.lanes.since_mark(lambda: self.train_discriminators(cycle))

    def train_generators(self, real_a: Tensor, real_b: Tensor, extras: Extras, passes: Passes) -> CyclePass:
        """Accumulate the gradients of the generators' losses; return the generated images, detached."""
        cycle: CyclePass = self.model(real_a, real_b, passes)
        with _freeze(self.model.discriminators):
            self._backward(self.objective.generators(self.model, cycle, extras))
        return cycle.detach()

    def train_discriminators(self, cycle: CyclePass) -> None:
        """Accumulate the gradients of the discriminators' losses, on real images and on images from the image pools."""
        fakes = self.image_pools.exchange(self.objective.fakes(cycle))
        self._backward(self.objective.discriminators(self.model, cycle, fakes))


@contextmanager
def _freeze(networks: nn.Module) -> Iterator[None]:
    """Freeze the parameters of `networks`; gradients still flow through to their inputs."""
    trained = [parameter for parameter in networks.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
