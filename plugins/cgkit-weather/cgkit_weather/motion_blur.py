"""The blur of a moving camera."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Le
from kornia.augmentation import RandomMotionBlur
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class MotionBlur(nn.Module):
    """The blur of a moving camera.

    kornia's RandomMotionBlur in a random direction at constant speed: every pixel becomes the mean along a line with an
    odd number of pixels. Borders are replicated.

    Args:
        length: maximum length of the movement as a share of the image's shorter side; at least 3 pixels.
        p: probability of blur.
    """

    role: Role = "data"

    def __init__(self, *, length: Annotated[float, Gt(0), Le(0.5)] = 0.1, p: Probability = 0.5) -> None:
        super().__init__()
        self.length = length
        self.p = p

    def forward(self, image: Tensor) -> Tensor:
        """Return `(N, C, H, W)` in [0, 1], blurred along a line."""
        if not happens(self.p):
            return image
        longest = max(3, round(self.length * min(image.shape[-2:])))
        blur = RandomMotionBlur((3, longest), 180.0, 0.0, border_type="replicate", resample="bilinear", p=1.0)
        blurred: Tensor = blur(image)
        return blurred.to(image.dtype).clamp(0, 1)
