"""Measure at which scale training shows its images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from cgkit.abilities import scaler_of
from cgkit.contracts import Domain, Size
from cgkit.data.framing import covering_size
from cgkit.data.preparation import Preparation
from cgkit.images.pixels import PixelFormat
from cgkit.spec import Spec
from cgkit.spec.images import Factors, Scales

SAMPLES = 8
"""The number of images that are loaded if the source does not read them from files."""


def measure_scale(
    domain: Domain, sizes: Mapping[Size, int], pixels: PixelFormat, preparation: Preparation
) -> Factors | None:
    """Return the vertical and horizontal factor by which training scales the images of a domain.

    If it is not the same for all images, this is the geometric mean.

    Args:
        domain: the training images.
        sizes: the heights and widths of the image files, each with the number of these files; empty if the source does
            not read files.
        pixels: the pixel format of the domain.
        preparation: how training images are prepared.

    Returns:
        the factors; None if the framing does not say how it scales.
    """
    scaled_size = covering_size if preparation.framing is None else scaler_of(preparation.framing)
    if scaled_size is None:
        return None
    if not sizes:
        indices = range(0, len(domain), -(-len(domain) // SAMPLES))
        shapes = [preparation.load(domain[index], pixels).shape for index in indices]
        sizes = Counter((shape[-2], shape[-1]) for shape in shapes)
    pairs = [(size, scaled_size(size, preparation.size), number) for size, number in sizes.items()]
    count = sum(sizes.values())
    vertical, horizontal = (
        math.exp(sum(number * math.log(scaled[axis] / size[axis]) for size, scaled, number in pairs) / count)
        for axis in (0, 1)
    )
    return round(vertical, 4), round(horizontal, 4)


def with_scales(spec: Spec, scales_by_domain: Mapping[str, Factors | None]) -> Spec:
    """Return a spec with the scales of the domains `a` and `b`."""
    scales = Scales(a=scales_by_domain["a"], b=scales_by_domain["b"])
    return spec.model_copy(update={"data": spec.data.model_copy(update={"trained_scale": scales})})
