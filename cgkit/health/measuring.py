"""Measurements of a few images and logits, as plain numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

COARSE = 32
"""The side length, in pixels, to which images are downsampled to compare their layout without texture."""

CONTRAST_SIDE = 64
"""The approximate side length, in pixels, of the subsampled image whose contrast is measured."""

FLAT = 2 / 255
"""The standard deviation in [0, 1] below which an image counts as flat.

With the published initial weights, N(0, 0.02), and a first layer with 7 x 7 x 3 kernels, the features of such an image
have a variance of about 1e-5, which is the epsilon of instance norm. Instance norm then mainly amplifies noise and
gradients, by a factor of up to 300.
"""

_LUMA = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in luminance (ITU-R BT.601)."""


def luminance_agreement(sources: Tensor, translations: Tensor) -> float:
    """Return the correlation in luminance between images and their translations, in [-1, 1], averaged over images.

    Args:
        sources: `(N, C, H, W)` in [0, 1].
        translations: `(N, D, H, W)` in [0, 1].
    """
    source, translation = (_centre(_downsample(_to_luminance(images))) for images in (sources, translations))
    return float(F.cosine_similarity(source, translation, eps=1e-12).mean())


def diversity(images: Tensor) -> float:
    """Return the mean absolute difference over all pairs of `(N, C, H, W)` images in [0, 1], at low resolution."""
    rows = _downsample(images)
    return float(torch.pdist(rows, p=1).mean() / rows.shape[1])


def change(sources: Tensor, translations: Tensor, targets: Tensor) -> float:
    """Return the mean distance of translations from their sources, relative to the mean distance between the domains.

    Args:
        sources: `(N, C, H, W)` in [0, 1].
        translations: translated images of the same shape.
        targets: real images of the target domain, `(M, C, H, W)`.
    """
    count = min(len(sources), len(targets))
    # Shifts start at 1, because the n-th images of aligned domains show the same scene and must not be compared.
    shifts = range(1, max(count, 2))
    distances = [(sources[:count] - targets[:count].roll(shift, 0)).abs().mean() for shift in shifts]
    between = torch.stack(distances).mean().clamp(min=1e-6)
    return float((translations - sources).abs().mean() / between)


def separation(upper: Sequence[Tensor], lower: Sequence[Tensor]) -> float:
    """Return the fraction of pairs in which the logit of `upper` is higher; 0.5 if they cannot be distinguished.

    This is the area under the ROC curve, averaged over the scales. It does not depend on the adversarial loss.

    Args:
        upper: logits of the images that should score higher, by scale.
        lower: logits of the other images.
    """
    areas = []
    for high, low in zip(upper, lower, strict=True):
        ordered, values = low.flatten().sort().values, high.flatten().contiguous()
        below = torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)
        areas.append(below.double().mean() / (2 * len(ordered)))
    return float(torch.stack(areas).mean())


def overfitting(train: Tensor, test: Tensor, generated: Tensor) -> float:
    """Return how a discriminator rates unseen real images, from 0 (like training images) to 1 (like translations).

    This is r_v of Karras et al., 2020 ("Training generative adversarial networks with limited data", equation 1).

    Args:
        train: logits of training images, `(N,)`.
        test: logits of real images not used in training.
        generated: logits of translations.
    """
    gap = train.mean() - generated.mean()
    return float((train.mean() - test.mean()) / gap) if gap > 0 else 0.0


def contrast(images: Tensor) -> Tensor:
    """Return the spatial standard deviation of each image of `(N, C, H, W)`, in its channel of highest contrast.

    Only about 64 pixels per side are used to save time, because this function measures every training image.
    """
    stride = max(1, min(images.shape[-2:]) // CONTRAST_SIDE)
    return images[..., ::stride, ::stride].flatten(2).std(2, correction=0).amax(1)


def _to_luminance(images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    weights = torch.tensor(_LUMA, dtype=images.dtype, device=images.device)
    return (images * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)


def _downsample(images: Tensor) -> Tensor:
    """Return images at low resolution, flattened to one row per image."""
    height, width = (min(side, COARSE) for side in images.shape[-2:])
    return F.adaptive_avg_pool2d(images.float(), (height, width)).flatten(1)


def _centre(rows: Tensor) -> Tensor:
    return rows - rows.mean(1, keepdim=True)
