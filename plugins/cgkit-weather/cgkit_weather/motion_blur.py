"""Motion blur."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Le
from kornia.augmentation import RandomMotionBlur
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class MotionBlur(nn.Module):
    """Motion blur, as from a moving camera.

    This is kornia's RandomMotionBlur in a random direction at constant speed: every pixel becomes the mean along a line
    with an odd number of pixels. Border pixels are repeated beyond the image.

    Args:
        length: maximum length of the line as a fraction of the image's shorter side, but at least 3 pixels.
        p: probability that an image is blurred.
    """

    role: Role = "data"

    def __init__(self, *, length: Annotated[float, Gt(0), Le(0.5)] = 0.1, p: Probability = 0.5) -> None:
        super().__init__()
        self.length = length
        self.p = p

    def forward(self, image: Tensor) -> Tensor:
        """Blur images `(N, C, H, W)` in [0, 1] along a line with probability `p`."""
        if not happens(self.p):
            return image
        longest = max(3, round(self.length * min(image.shape[-2:])))
        blur = RandomMotionBlur((3, longest), 180.0, 0.0, border_type="replicate", resample="bilinear", p=1.0)
        blurred: Tensor = blur(image)
        return blurred.to(image.dtype).clamp(0, 1)
