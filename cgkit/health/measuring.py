"""What a few images and logits say of a training, as plain numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

COARSE = 32
"""Pixels a side at which images are compared for their layout: what is finer is texture."""

LOOKED_AT = 64
"""Pixels a side that are looked at to see whether an image is flat."""

FLAT = 2 / 255
"""The standard deviation of an image in [0, 1] below which it has next to no contrast.

With the published initial weights, N(0, 0.02) and a first layer of 7 x 7 x 3, the features of such an image have a
variance of about 1e-5, which is what an instance norm adds to it: the norm no longer scales the image up, but noise and
gradients by up to 300.
"""

_LUMA = (0.299, 0.587, 0.114)
"""ITU-R 601."""


def luminance_agreement(sources: Tensor, translations: Tensor) -> float:
    """Return the correlation of luminance between images and their translations, -1 to 1, the mean over the images.

    Args:
        sources: `(N, C, H, W)` in [0, 1].
        translations: `(N, D, H, W)` in [0, 1].
    """
    one, other = (_centred(_coarse(_luminance(images))) for images in (sources, translations))
    return float(F.cosine_similarity(one, other, eps=1e-12).mean())


def diversity(images: Tensor) -> float:
    """Return the mean absolute difference between any two images of `(N, C, H, W)` in [0, 1], seen coarsely."""
    rows = _coarse(images)
    return float(torch.pdist(rows, p=1).mean() / rows.shape[1])


def change(sources: Tensor, translations: Tensor, targets: Tensor) -> float:
    """Return how far translations are from their sources, in units of what lies between images of both domains.

    Args:
        sources: `(N, C, H, W)` in [0, 1].
        translations: of the same shape.
        targets: real images of the target domain, `(M, C, H, W)`.
    """
    count = min(len(sources), len(targets))
    # Where the domains are aligned, the n-th images of both show the same scene.
    apart = [(sources[:count] - targets[:count].roll(shift, 0)).abs().mean() for shift in range(1, max(count, 2))]
    between = torch.stack(apart).mean().clamp(min=1e-6)
    return float((translations - sources).abs().mean() / between)


def separation(upper: Sequence[Tensor], lower: Sequence[Tensor]) -> float:
    """Return how often a logit of one kind is above one of another kind, from 0 to 1; 0.5 where they are alike.

    The area under the ROC curve, which is the same for every adversarial loss; the mean over the scales.

    Args:
        upper: logits of images that should have the higher ones, by scale.
        lower: logits of the others.
    """
    areas = []
    for high, low in zip(upper, lower, strict=True):
        ordered, values = low.flatten().sort().values, high.flatten().contiguous()
        below = torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)
        areas.append(below.double().mean() / (2 * len(ordered)))
    return float(torch.stack(areas).mean())


def overfitting(train: Tensor, test: Tensor, made: Tensor) -> float:
    """Return where a discriminator places real images that it never saw: 0 among its training images, 1 among made.

    Karras et al., 2020 ("Training generative adversarial networks with limited data", equation 1, r_v).

    Args:
        train: logits of training images, `(N,)`.
        test: logits of real images that are not trained on.
        made: logits of translations.
    """
    gap = train.mean() - made.mean()
    return float((train.mean() - test.mean()) / gap) if gap > 0 else 0.0


def contrast(images: Tensor) -> Tensor:
    """Return the standard deviation of each image of `(N, C, H, W)` over its places, of the channel with the largest.

    So many pixels are passed over that some 64 a side are looked at: it is done for every image of a run.
    """
    apart = max(1, min(images.shape[-2:]) // LOOKED_AT)
    return images[..., ::apart, ::apart].flatten(2).std(2, correction=0).amax(1)


def _luminance(images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    weights = torch.tensor(_LUMA, dtype=images.dtype, device=images.device)
    return (images * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)


def _coarse(images: Tensor) -> Tensor:
    """Return one row an image."""
    height, width = (min(side, COARSE) for side in images.shape[-2:])
    return F.adaptive_avg_pool2d(images.float(), (height, width)).flatten(1)


def _centred(rows: Tensor) -> Tensor:
    return rows - rows.mean(1, keepdim=True)
