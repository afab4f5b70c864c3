"""Cycle consistency, and the extent to which it depends on patterns hidden in translations."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from kornia.filters import gaussian_blur2d
from PIL import Image
from torch import Tensor

from cgkit.contracts import Cycle


class CycleConsistency:
    """Mean absolute difference between sources and their reconstructions.

    It is 0 for perfect reconstructions and 1 if white is reconstructed as black.
    """

    compares = "cycle"
    better = "lower"

    def __call__(self, cycle: Cycle, /) -> Tensor:
        """Return one number per image, `(N,)`."""
        return _error(cycle.cycled, cycle.sources)


class _CycleAfterPerturbation(ABC):
    """Increase in the reconstruction error when translations are perturbed.

    Chu et al., 2017 ("CycleGAN, a master of steganography"): generators hide the source in the translation as a faint
    pattern, which the other generator decodes. A barely visible perturbation destroys the pattern. The metric is the
    mean absolute difference between reconstruction and source with the perturbation, minus the difference without it.
    """

    compares = "cycle"
    better = "lower"

    def __call__(self, cycle: Cycle, /) -> Tensor:
        """Return one number per image, `(N,)`."""
        reconstructions = cycle.back(self.perturb(cycle.translations))
        return _error(reconstructions, cycle.sources) - _error(cycle.cycled, cycle.sources)

    @abstractmethod
    def perturb(self, images: Tensor) -> Tensor:
        """Perturb images `(N, C, H, W)` in [0, 1] slightly."""


class CycleAfterJpeg(_CycleAfterPerturbation):
    """Increase in the reconstruction error when translations are saved as JPEG (after Chu et al., 2017).

    This is the mean absolute difference between reconstruction and source with JPEG, minus the difference without
    JPEG. A value near 0 means that reconstructions do not rely on hidden patterns.

    Args:
        quality: the JPEG quality, from 1 (worst) to 95 (best).
    """

    def __init__(self, *, quality: Annotated[int, Ge(1), Le(95)] = 75) -> None:
        self.quality = quality

    def perturb(self, images: Tensor) -> Tensor:
        """Save images as JPEG and read them back; unless there are three channels, each channel is saved separately."""
        levels = images.mul(255).round().byte().cpu()
        if images.shape[1] == 3:
            saved = [self._save_and_read(image.permute(1, 2, 0).numpy()) for image in levels]
            read = torch.stack([torch.from_numpy(pixels).permute(2, 0, 1) for pixels in saved])
        else:
            saved = [self._save_and_read(channel.numpy()) for channel in levels.flatten(0, 1)]
            read = torch.stack([torch.from_numpy(pixels) for pixels in saved]).view(images.shape)
        return (read.float() / 255).to(images)

    def _save_and_read(self, pixels: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format="JPEG", quality=self.quality)
        return np.array(Image.open(file))


class CycleAfterBlur(_CycleAfterPerturbation):
    """Increase in the reconstruction error when translations are blurred (after Chu et al., 2017).

    This is the mean absolute difference between reconstruction and source with blur, minus the difference without
    blur. A value near 0 means that reconstructions do not rely on fine detail.

    Args:
        sigma: the standard deviation of the Gaussian kernel, in pixels.
    """

    def __init__(self, *, sigma: Annotated[float, Gt(0), Le(20)] = 1.0) -> None:
        self.sigma = sigma

    def perturb(self, images: Tensor) -> Tensor:
        """Blur images `(N, C, H, W)` in [0, 1]."""
        radius = min(round(3 * self.sigma + 0.5), (min(images.shape[-2:]) - 1))
        blurred: Tensor = gaussian_blur2d(images, 2 * radius + 1, (self.sigma, self.sigma))
        return blurred.clamp(0, 1)


class CycleAfterNoise(_CycleAfterPerturbation):
    """Increase in the reconstruction error when noise is added to translations (after Chu et al., 2017).

    This is the mean absolute difference between reconstruction and source with noise, minus the difference without
    noise. A value near 0 means that reconstructions do not rely on hidden patterns.

    Args:
        sigma: the standard deviation of the Gaussian noise, for images in [0, 1].
    """

    def __init__(self, *, sigma: Annotated[float, Gt(0), Le(1)] = 0.02) -> None:
        self.sigma = sigma

    def perturb(self, images: Tensor) -> Tensor:
        """Add the same noise to each image, so that no result depends on the rest of the batch."""
        return (images + self.sigma * torch.randn(images.shape[1:])).clamp(0, 1)


def _error(images: Tensor, sources: Tensor) -> Tensor:
    return (images - sources).abs().mean((1, 2, 3))
