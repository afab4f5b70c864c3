"""Augmentation of what a discriminator sees, as strong as it needs."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability
from cgkit.contracts import Role
from cgkit_weather import placement, recolouring

_CHANGES = placement.APPLIED + recolouring.APPLIED
"""How many changes the chain has that happen or not."""


class AdaptiveAugmentation(nn.Module):
    """Augments what a discriminator sees as often as it overfits (Karras et al., 2020).

    "Training generative adversarial networks with limited data": every image passes a chain of changes, each of which
    happens with the same probability p, and p follows the discriminator. With r the mean sign of its logits of real
    images (equation 1, the second heuristic), p rises by a little where r is above its target, for then the
    discriminator knows the real images too well, and falls by as much where r is below. Below a p of about 0.8 the
    changes do not leak into what the generators make.

    The changes and their strengths are those of the paper's appendix B, expressed in [0, 1]: mirroring, quarter turns
    (half turns where the image is no square), shifts by whole pixels; scaling, turning, stretching, shifts by parts
    of pixels; brightness, contrast, inverted lightness, hue, saturation. The paper's filtering and corruption, which
    its recommended set leaves out, are not here. All that move pixels are done in one bilinear resampling, without
    the paper's wavelet filter. Nothing is clamped. Every image has its own draws, made on the CPU, so that they are
    the same on every device.

    Each discriminator has its own p, which is kept in the checkpoints.

    Args:
        target: what r is held at; 0.6 in the paper. The lower, the more is augmented.
        boundary: the logit between real and made, whose side r counts: 0.5 for the least-squares loss, whose targets
            are 0 and 1; 0 for bce, hinge and softplus. Losses without such a logit (wasserstein,
            relativistic-average) say nothing about r.
        adjustment_images: how many real images a discriminator sees while p rises from 0 to 1 at the fastest; 500,000
            in the paper. A run of few images wants fewer: a quarter of all that it shows, say.
        interval: how many steps r is averaged over before p is changed; 4 in the paper.
        start: p at the beginning.
        pixels: mirror, turn by quarters, shift by whole pixels.
        geometry: scale, turn, stretch, shift by parts of pixels.
        colour: brightness, contrast, inverted lightness, hue, saturation.
    """

    role: Role = "adversarial"

    p: Tensor
    steps: Tensor
    images: Tensor
    signs: Tensor
    _allowed: Tensor
    _turns: Tensor

    def __init__(
        self,
        *,
        target: Annotated[float, Ge(-1), Le(1)] = 0.6,
        boundary: Annotated[float, Ge(-100), Le(100)] = 0.5,
        adjustment_images: Annotated[int, Ge(1), Le(10**9)] = 500_000,
        interval: Annotated[int, Ge(1), Le(10_000)] = 4,
        start: Probability = 0.0,
        pixels: bool = True,
        geometry: bool = True,
        colour: bool = True,
    ) -> None:
        super().__init__()
        self.target = target
        self.boundary = boundary
        self.adjustment_images = adjustment_images
        self.interval = interval
        self.register_buffer("p", torch.tensor(float(start)))
        # Since p was last changed:
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("images", torch.tensor(0))
        self.register_buffer("signs", torch.tensor(0.0))
        # What each change of the chain is.
        allowed = [pixels] * 3 + [geometry] * 5 + [colour] * 5
        self.register_buffer("_allowed", torch.tensor(allowed)[:, None], persistent=False)
        turns = [number in placement.TURNS for number in range(_CHANGES)]
        self.register_buffer("_turns", torch.tensor(turns)[:, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return `(N, C, H, W)` of the same dtype, each image changed by its own draws."""
        uniform = torch.rand(_CHANGES + placement.UNIFORM + recolouring.UNIFORM, len(images), device="cpu")
        normal = torch.randn(placement.NORMAL + recolouring.NORMAL, len(images), device="cpu")
        # Two transfers for all draws, and none that waits for the device.
        uniform = uniform.to(images.device, non_blocking=True)
        normal = normal.to(images.device, non_blocking=True)
        chances, uniform = uniform[:_CHANGES], uniform[_CHANGES:]
        # A turn has two places in the chain, and happens in either with this probability, in one of both with p.
        likely = torch.where(self._turns, 1 - (1 - self.p).sqrt(), self.p)
        applied = (chances < likely) & self._allowed
        split = placement.APPLIED, placement.UNIFORM, placement.NORMAL
        images = placement.placed(images, applied[: split[0]], uniform[: split[1]], normal[: split[2]])
        return recolouring.recoloured(images, applied[split[0] :], uniform[split[1] :], normal[split[2] :])

    def observe(self, real_logits: list[Tensor]) -> None:
        """Follow the discriminator: see its logits of a step's real images, `(N, 1, h, w)` for each scale."""
        seen = len(real_logits[0])
        overfitting = torch.stack([(logits - self.boundary).sign().mean() for logits in real_logits]).mean()
        self.steps += 1
        self.images += seen
        self.signs += seen * overfitting
        # Tensors all the way: asking whether it is time would wait for the device.
        due = self.steps >= self.interval
        change = (self.signs / self.images - self.target).sign() * self.images / self.adjustment_images
        self.p.copy_(torch.where(due, (self.p + change).clamp(0, 1), self.p))
        for buffer in (self.steps, self.images, self.signs):
            buffer.masked_fill_(due, 0)
