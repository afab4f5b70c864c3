"""Adaptive discriminator augmentation."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability
from cgkit.contracts import Role
from cgkit_weather import recolouring, warping

_TRANSFORMATIONS = warping.TRANSFORMATIONS + recolouring.TRANSFORMATIONS
"""Number of transformations in the chain, each applied with probability p."""


class AdaptiveAugmentation(nn.Module):
    """Augments the discriminator's input more often the more it overfits (Karras et al., 2020).

    "Training generative adversarial networks with limited data": every image passes through a chain of
    transformations, each applied with the same probability p, which adapts to the discriminator. Let r be the mean
    sign of its logits for real images (equation 1, the second heuristic). If r is above its target, the discriminator
    overfits and p is raised by a small amount; if r is below, p is lowered by the same amount. Below a p of about 0.8
    the transformations do not leak into the generated images.

    The transformations and their strengths are those of the paper's appendix B, expressed in [0, 1]: flip, quarter
    turns (half turns if the image is not square), integer shifts; scaling, rotation, stretching, fractional shifts;
    brightness, contrast, luma flip, hue, saturation. Filtering and corruption, which are not in the paper's recommended
    set, are left out. All geometric transformations are combined into one bilinear resampling, without the paper's
    wavelet filter. Nothing is clamped. Each image has its own random draws, made on the CPU so that they are the same
    on every device.

    Each discriminator has its own p, which is saved in the checkpoints.

    Args:
        target: target value of r, 0.6 in the paper; lower values augment more.
        boundary: the logit between real and fake, relative to which r takes the sign: 0.5 for the least-squares loss,
            whose targets are 0 and 1; 0 for bce, hinge and softplus. For losses without such a logit (wasserstein,
            relativistic-average), r has no meaning.
        adjustment_images: number of real images over which p can rise from 0 to 1, 500,000 in the paper. Shorter runs
            need less: about a quarter of the number of images of the run.
        interval: number of steps over which r is averaged before p is changed, 4 in the paper.
        start: initial value of p.
        pixels: flip, rotate by quarter turns, shift by whole pixels.
        geometry: scale, rotate, stretch, shift by fractions of a pixel.
        colour: change brightness, contrast, luma, hue and saturation.
    """

    role: Role = "adversarial"

    p: Tensor
    steps: Tensor
    images: Tensor
    signs: Tensor
    _allowed: Tensor
    _rotations: Tensor

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
        # Accumulated since p was last changed:
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("images", torch.tensor(0))
        self.register_buffer("signs", torch.tensor(0.0))
        # The chain, in order.
        allowed = [pixels] * 3 + [geometry] * 5 + [colour] * 5
        self.register_buffer("_allowed", torch.tensor(allowed)[:, None], persistent=False)
        rotations = [index in warping.ROTATIONS for index in range(_TRANSFORMATIONS)]
        self.register_buffer("_rotations", torch.tensor(rotations)[:, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return `(N, C, H, W)` of the same dtype, each image augmented by its own draws."""
        uniform = torch.rand(_TRANSFORMATIONS + warping.UNIFORM + recolouring.UNIFORM, len(images), device="cpu")
        normal = torch.randn(warping.NORMAL + recolouring.NORMAL, len(images), device="cpu")
        # Two asynchronous transfers for all draws.
        uniform = uniform.to(images.device, non_blocking=True)
        normal = normal.to(images.device, non_blocking=True)
        chances, uniform = uniform[:_TRANSFORMATIONS], uniform[_TRANSFORMATIONS:]
        # The chain rotates twice; with this probability for each, at least one of the two is applied with p.
        probabilities = torch.where(self._rotations, 1 - (1 - self.p).sqrt(), self.p)
        applied = (chances < probabilities) & self._allowed
        split = warping.TRANSFORMATIONS, warping.UNIFORM, warping.NORMAL
        images = warping.warp(images, applied[: split[0]], uniform[: split[1]], normal[: split[2]])
        return recolouring.recolour(images, applied[split[0] :], uniform[split[1] :], normal[split[2] :])

    def observe(self, real_logits: list[Tensor]) -> None:
        """Update p from a step's logits of the real images, `(N, 1, h, w)` for each scale."""
        count = len(real_logits[0])
        sign = torch.stack([(logits - self.boundary).sign().mean() for logits in real_logits]).mean()
        self.steps += 1
        self.images += count
        self.signs += count * sign
        # Branching on a tensor would wait for the device.
        due = self.steps >= self.interval
        change = (self.signs / self.images - self.target).sign() * self.images / self.adjustment_images
        self.p.copy_(torch.where(due, (self.p + change).clamp(0, 1), self.p))
        for buffer in (self.steps, self.images, self.signs):
            buffer.masked_fill_(due, 0)
