"""How well sources come back from their translations, and how much of that is hidden in them."""

from __future__ import annotations

import io
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from kornia.filters import gaussian_blur2d
from PIL import Image
from torch import Tensor

from cgkit.contracts import Cycle


class CycleConsistency:
    """Mean absolute difference between sources and what comes back of them.

    0 is the same image, 1 is black for white.
    """

    compares = "cycle"
    better = "lower"

    def __call__(self, cycle: Cycle, /) -> Tensor:
        """Return one number an image, `(N,)`."""
        return _error(cycle.cycled, cycle.sources)


class _Disturbed:
    """How much worse sources come back once the translation was disturbed.

    Chu et al., 2017 ("CycleGAN, a master of steganography"): generators hide the source in a translation, as a faint
    pattern that the way back reads. A disturbance that is hardly seen destroys the pattern. The number is the mean
    absolute difference to the source after the disturbance, less that without.
    """

    compares = "cycle"
    better = "lower"

    def __call__(self, cycle: Cycle, /) -> Tensor:
        """Return one number an image, `(N,)`."""
        again = cycle.back(self.disturbed(cycle.translations))
        return _error(again, cycle.sources) - _error(cycle.cycled, cycle.sources)

    def disturbed(self, images: Tensor) -> Tensor:
        """Return images `(N, C, H, W)` in [0, 1] that look nearly the same."""
        raise NotImplementedError


class CycleAfterJpeg(_Disturbed):
    """How much worse sources come back from a translation that was saved as JPEG (Chu et al., 2017).

    The mean absolute difference to the source, less that without saving. Near 0 nothing was hidden.

    Args:
        quality: of the JPEG file.
    """

    def __init__(self, *, quality: Annotated[int, Ge(1), Le(95)] = 75) -> None:
        self.quality = quality

    def disturbed(self, images: Tensor) -> Tensor:
        """Return images as they are read back; other than three channels are saved one by one."""
        levels = images.mul(255).round().byte().cpu()
        if images.shape[1] == 3:
            saved = [self._saved(image.permute(1, 2, 0).numpy()) for image in levels]
            read = torch.stack([torch.from_numpy(pixels).permute(2, 0, 1) for pixels in saved])
        else:
            flat = levels.flatten(0, 1)
            read = torch.stack([torch.from_numpy(self._saved(one.numpy())) for one in flat]).view(images.shape)
        return (read.float() / 255).to(images)

    def _saved(self, pixels: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format="JPEG", quality=self.quality)
        return np.array(Image.open(file))


class CycleAfterBlur(_Disturbed):
    """How much worse sources come back from a translation that was blurred (after Chu et al., 2017).

    The mean absolute difference to the source, less that without blur. Near 0 nothing fine was needed.

    Args:
        sigma: the standard deviation of the Gaussian, in pixels.
    """

    def __init__(self, *, sigma: Annotated[float, Gt(0), Le(20)] = 1.0) -> None:
        self.sigma = sigma

    def disturbed(self, images: Tensor) -> Tensor:
        """Return blurred images."""
        radius = min(round(3 * self.sigma + 0.5), (min(images.shape[-2:]) - 1))
        blurred: Tensor = gaussian_blur2d(images, 2 * radius + 1, (self.sigma, self.sigma))
        return blurred.clamp(0, 1)


class CycleAfterNoise(_Disturbed):
    """How much worse sources come back from a translation with noise on it (after Chu et al., 2017).

    The mean absolute difference to the source, less that without noise. Near 0 nothing was hidden.

    Args:
        sigma: the standard deviation of the Gaussian noise, on the scale of images in [0, 1].
    """

    def __init__(self, *, sigma: Annotated[float, Gt(0), Le(1)] = 0.02) -> None:
        self.sigma = sigma

    def disturbed(self, images: Tensor) -> Tensor:
        """Return images with the same noise on each, so that none depends on the others of its batch."""
        return (images + self.sigma * torch.randn(images.shape[1:])).clamp(0, 1)


def _error(images: Tensor, sources: Tensor) -> Tensor:
    return (images - sources).abs().mean((1, 2, 3))
