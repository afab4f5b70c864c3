"""The blur of a camera that moves."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Le
from kornia.augmentation import RandomMotionBlur
from torch import Tensor, nn

from cgkit.components.augmentations.draws import Probability, happens
from cgkit.contracts import Role


class MotionBlur(nn.Module):
    """The blur of a camera that moves.

    kornia's RandomMotionBlur, in any direction, at an even speed: every pixel becomes the mean along a line, an odd
    number of pixels long. Borders are continued by their last pixel.

    Args:
        length: the most that the camera moves, as a share of the image's shorter side; 3 pixels at least.
        p: how often an image is blurred.
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
