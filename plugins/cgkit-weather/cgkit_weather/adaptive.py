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
    """Augments the discriminator's input, more often if the discriminator overfits (Karras et al., 2020).

    "Training generative adversarial networks with limited data": every image passes through a chain of
    transformations, each applied with the same probability p, which adapts to the discriminator. Let r be the mean
    sign of its logits for real images (equation 1, the second heuristic). If r is above its target, the discriminator
    overfits and p is raised by a small amount; if r is below, p is lowered by the same amount. As long as p is
    below about 0.8, the transformations do not leak into the generated images.

    The transformations and their strengths are those of the paper's appendix B, adapted to [0, 1]: flip, quarter
    turns (half turns if the image is not square) and integer shifts; scaling, rotation, stretching and fractional
    shifts; brightness, contrast, luma flip, hue and saturation. Filtering and corruption, which are not in the paper's
    recommended set, are left out. All geometric transformations are combined into one bilinear resampling, without
    the paper's wavelet filter. Nothing is clamped. Each image has its own random draws, made on the CPU so that they
    are the same on every device.

    Each discriminator has its own p, which is saved in the checkpoints.

    Args:
        target: target value of r, 0.6 in the paper; a lower target means more augmentation.
        boundary: the logit that separates real from fake, which is subtracted before the sign is taken: 0.5 for the
            least-squares loss, whose targets are 0 and 1; 0 for bce, hinge and softplus. For losses without such a
            logit (wasserstein, relativistic-average), r has no meaning.
        adjustment_images: number of real images over which p can rise from 0 to 1, 500,000 in the paper. Shorter runs
            need fewer: about a quarter of the images that the run shows.
        interval: number of steps over which r is averaged before p is changed, 4 in the paper.
        start: initial value of p.
        pixels: whether to flip, rotate by quarter turns and shift by whole pixels.
        geometry: whether to scale, rotate, stretch and shift by fractions of a pixel.
        colour: whether to change brightness, contrast, luma, hue and saturation.
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
        # These buffers accumulate values between changes of p.
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("images", torch.tensor(0))
        self.register_buffer("signs", torch.tensor(0.0))
        # Whether each transformation is enabled, in the order of the chain.
        allowed = [pixels] * 3 + [geometry] * 5 + [colour] * 5
        self.register_buffer("_allowed", torch.tensor(allowed)[:, None], persistent=False)
        rotations = [index in warping.ROTATIONS for index in range(_TRANSFORMATIONS)]
        self.register_buffer("_rotations", torch.tensor(rotations)[:, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Augment images `(N, C, H, W)`, each with its own draws, preserving their dtype."""
        uniform = torch.rand(_TRANSFORMATIONS + warping.UNIFORM + recolouring.UNIFORM, len(images), device="cpu")
        normal = torch.randn(warping.NORMAL + recolouring.NORMAL, len(images), device="cpu")
        # The draws are copied to the device in two parts, without waiting for either.
        uniform = uniform.to(images.device, non_blocking=True)
        normal = normal.to(images.device, non_blocking=True)
        chances, uniform = uniform[:_TRANSFORMATIONS], uniform[_TRANSFORMATIONS:]
        # The chain rotates twice; with this probability for each rotation, at least one is applied with probability p.
        probabilities = torch.where(self._rotations, 1 - (1 - self.p).sqrt(), self.p)
        applied = (chances < probabilities) & self._allowed
        split = warping.TRANSFORMATIONS, warping.UNIFORM, warping.NORMAL
        images = warping.warp(images, applied[: split[0]], uniform[: split[1]], normal[: split[2]])
        return recolouring.recolour(images, applied[split[0] :], uniform[split[1] :], normal[split[2] :])

    def observe(self, real_logits: list[Tensor]) -> None:
        """Update p from the logits of a step's real images, `(N, 1, h, w)` for each scale."""
        count = len(real_logits[0])
        sign = torch.stack([(logits - self.boundary).sign().mean() for logits in real_logits]).mean()
        self.steps += 1
        self.images += count
        self.signs += count * sign
        # This uses `torch.where`, because branching on a tensor would wait for the device.
        due = self.steps >= self.interval
        change = (self.signs / self.images - self.target).sign() * self.images / self.adjustment_images
        self.p.copy_(torch.where(due, (self.p + change).clamp(0, 1), self.p))
        for buffer in (self.steps, self.images, self.signs):
            buffer.masked_fill_(due, 0)
