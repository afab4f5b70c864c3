"""At which size images are translated, and which size their translations have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cgkit.contracts import Size
from cgkit.errors import UsageError
from cgkit.spec import Spec
from cgkit.spec.images import Factors

Scale = Literal["native", "trained"] | float
"""`native` leaves images as they are; `trained` scales them as training did; a number is a factor."""

FAR = 1.5
"""The ratio of scales above which translations suffer visibly."""

_MOST = 100.0


@dataclass(frozen=True)
class Scaling:
    """The sizes of images and translations.

    Attributes:
        factors: the vertical and horizontal factor by which images are scaled before they are translated.
        own_size: whether translations are scaled back to the size of their images.
        max_side: the longest side of a translation, and of an image that is translated, in pixels; None for any.
    """

    factors: Factors = (1.0, 1.0)
    own_size: bool = True
    max_side: int | None = None

    def sizes(self, height: int, width: int) -> tuple[Size, Size]:
        """Return the height and width at which to translate an image, and those of its translation."""
        seen = self._limit(height * self.factors[0], width * self.factors[1])
        return seen, self._limit(height, width) if self.own_size else seen

    def changes(self, height: int, width: int) -> bool:
        """Return whether an image is translated at another size than its own."""
        return self.sizes(height, width)[0] != (height, width)

    def exceeds(self, height: int, width: int) -> bool:
        """Return whether an image is larger than `max_side`."""
        return self.max_side is not None and max(height, width) > self.max_side

    def _limit(self, height: float, width: float) -> Size:
        longest = max(height, width)
        factor = 1.0 if self.max_side is None else min(1.0, self.max_side / longest)
        return max(1, round(height * factor)), max(1, round(width * factor))


def choose_scaling(
    spec: Spec, direction: str, scale: Scale, size: Literal["own", "scaled"], max_side: int | None
) -> Scaling:
    """Return the scaling that a user asks for; see `Translator.load` for the arguments.

    Raises:
        UsageError: the model does not record its scale, or an argument has none of the possible values.
    """
    if size not in ("own", "scaled"):
        raise UsageError(f"there is no size {size!r}", hint="use own or scaled")
    factors = trained_factors(spec, direction)
    if scale == "native":
        factors = (1.0, 1.0)
    elif isinstance(scale, (int, float)):
        if not 1 / _MOST <= scale <= _MOST:
            raise UsageError(f"the scale {scale:g} is not between {1 / _MOST:g} and {_MOST:g}")
        factors = (float(scale), float(scale))
    elif scale != "trained":
        raise UsageError(f"there is no scale {scale!r}", hint="use native, trained or a factor such as 0.5")
    if factors is None:
        raise UsageError(
            "the model does not record at which scale it saw its training images",
            hint="give the factor from the pixels of its training images to those of data.size, such as a scale of 0.5",
        )
    return Scaling(factors, size == "own", max_side)


def trained_factors(spec: Spec, direction: str) -> Factors | None:
    """Return the factors by which training scaled the source images of a direction; None if they are unknown."""
    scales = spec.data.trained_scale
    return scales.a if direction == "a2b" else scales.b


def far_from_trained(spec: Spec, direction: str, height: int, width: int) -> str | None:
    """Return what to say of an image that is translated at its native scale, if training saw such images at another.

    Images with about as many pixels as the training size are taken to be scaled already.
    """
    factors = trained_factors(spec, direction)
    if factors is None:
        return None
    factor = math.sqrt(factors[0] * factors[1])
    pixels = math.sqrt(spec.data.size[0] * spec.data.size[1] / (height * width))
    if not all(ratio > FAR or ratio < 1 / FAR for ratio in (factor, pixels)):
        return None
    times = f"{1 / factor:.1f} times as large as" if factor < 1 else f"{factor:.1f} times smaller than"
    return (
        f"images such as one of {width}x{height} pixels are translated {times} training saw them: "
        'use --scale trained, or Translator.load(..., scale="trained"), to translate them at the scale of training'
    )
