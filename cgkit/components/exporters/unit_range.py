"""A generator whose images are in [0, 1], as the networks of exported files have them."""

from __future__ import annotations

from torch import Tensor, nn

from cgkit.abilities import stride_of


class OnUnitRange(nn.Module):
    """A float32 network that wraps a generator; its inputs and outputs are images in [0, 1].

    Attributes:
        generator: the generator, whose inputs and outputs are in [-1, 1].
        stride: the number that the height and width of images must be multiples of.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator.float()
        self.stride = stride_of(generator)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Translate images, `(N, C, H, W)` in [0, 1]."""
        translations: Tensor = self.generator(images * 2 - 1)
        return ((translations + 1) / 2).clamp(0, 1)
