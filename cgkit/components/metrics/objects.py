"""Objects that translations invent or lose, counted by rules whose answer is known for the truth.

Objects have colours that nothing else in their source's images has. A pixel shows a kind of object if its colour is
near that of the kind; a patch is a connected set of such pixels.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor
from torch.nn.functional import max_pool2d

from cgkit.contracts import ObjectKind, Objects

Reach = Annotated[float, Gt(0), Le(1)]
Share = Annotated[float, Gt(0), Le(1)]


class Invented:
    """Number of objects that a translation shows where the truth has none.

    Counted is each patch in the colour of a kind that the domain has, if it is large enough and touches no true object.

    Args:
        reach: largest distance of a pixel's colour to that of the kind, in RGB of [0, 1].
        area: least area of a patch, as a fraction of the image.
    """

    compares = "objects"
    better = "lower"

    def __init__(self, *, reach: Reach = 0.3, area: Share = 0.001) -> None:
        self._reach = reach
        self._area = area

    def __call__(self, translations: Tensor, objects: Objects, /) -> Tensor:
        """Return one number per image, `(N,)`, for translations `(N, C, H, W)` in [0, 1]."""
        labels = objects.labels.to(translations)
        true = max_pool2d(labels, 3, 1, 1) > 0  # with their neighbours
        counts = torch.zeros(len(translations), device=translations.device)
        for kind in objects.kinds:
            if objects.side in kind.sides:
                patches = find_patches(_shows(translations, kind, self._reach))
                least = self._area * patches[0].numel()
                counts += torch.stack([_count_apart(*each, least) for each in zip(patches, true, strict=True)])
        return counts


class Lost:
    """Number of objects of both domains that the truth shows and a translation does not.

    An object is lost if fewer than `share` of the pixels that show its colour in the truth show it in the translation.
    Objects of which hardly anything shows, because something else hides it, do not count.

    Args:
        reach: largest distance of a pixel's colour to that of the kind, in RGB of [0, 1].
        area: least area of an object in the truth, as a fraction of the image.
        share: least fraction of an object's pixels that have its colour if it is there.
    """

    compares = "objects"
    better = "lower"

    def __init__(self, *, reach: Reach = 0.3, area: Share = 0.001, share: Share = 0.25) -> None:
        self._reach = reach
        self._area = area
        self._share = share

    def __call__(self, translations: Tensor, objects: Objects, /) -> Tensor:
        """Return one number per image, `(N,)`, for translations `(N, C, H, W)` in [0, 1]."""
        labels = objects.labels.to(translations.device)
        counts = torch.zeros(len(translations), device=translations.device)
        least = self._area * labels[0].numel()
        for kind in objects.kinds:
            if kind.sides == "ab":
                images = translations, objects.references.to(translations.device)
                shown, true = (_shows(each, kind, self._reach) for each in images)
                for number in kind.numbers:
                    there = true & (labels == number)
                    size, seen = (mask.sum((1, 2, 3)) for mask in (there, there & shown))
                    counts += (size >= max(least, 1)) & (seen < self._share * size)
        return counts


def find_patches(mask: Tensor) -> Tensor:
    """Return the number of the patch of each pixel, int64 `(N, 1, H, W)`: connected pixels of a mask have the same.

    Pixels are connected if they touch at a side or a corner. Pixels outside the mask have 0; other numbers are unique
    within an image.
    """
    height, width = mask.shape[-2:]
    start = torch.arange(1, height * width + 1, device=mask.device, dtype=torch.float64).view(1, 1, height, width)
    numbers = start * mask
    while True:
        grown = max_pool2d(numbers, 3, 1, 1) * mask
        if torch.equal(grown, numbers):
            return numbers.long()
        numbers = grown


def _shows(images: Tensor, kind: ObjectKind, reach: float) -> Tensor:
    if images.shape[1] not in (1, 3):
        raise ValueError(f"objects are recognised by their colour, which images of {images.shape[1]} channels lack")
    colour = torch.tensor(kind.colour, device=images.device).view(1, 3, 1, 1)
    return (images - colour).square().sum(1, keepdim=True) <= reach * reach


def _count_apart(patches: Tensor, true: Tensor, least: float) -> Tensor:
    """Return how many patches of an image are large enough and touch nothing true."""
    areas = torch.bincount(patches.flatten(), minlength=1)
    apart = areas >= max(least, 1)
    apart[patches[true]] = False
    return apart[1:].sum()
