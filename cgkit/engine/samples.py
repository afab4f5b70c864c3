"""The test images that a run shows: the same ones every time, in both directions, there and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor

from cgkit.engine.sheets import Column, Sheet
from cgkit.evaluation.gathering import Translate


@torch.inference_mode()
def sample_sheet(
    tests: tuple[Tensor, Tensor],
    translate: Mapping[str, Translate],
    *,
    aligned: bool,
    names: Mapping[str, tuple[str, ...]],
    images: str = "",
) -> Sheet:
    """Return a sheet with one row a test image.

    The columns are source, translation and cycle, for both directions; with an aligned test split the truth follows
    the translation.

    Args:
        tests: test images of both domains, `(N, C, H, W)` in [0, 1].
        translate: both directions by name.
        aligned: whether the n-th images of both domains show the same scene.
        names: of the test images, by domain.
        images: a text that differs where the test images differ.
    """
    images_a, images_b = tests
    columns: list[Column] = []
    for forth, back, sources, truths in (("a2b", "b2a", images_a, images_b), ("b2a", "a2b", images_b, images_a)):
        translations = translate[forth](sources)
        columns += [_column(forth, "source", sources), _column(forth, "translation", translations)]
        if aligned:
            columns.append(_column(forth, "truth", truths))
        columns.append(_column(forth, "back", translate[back](translations)))
    return Sheet(tuple(columns), names, images)


def _column(direction: str, role: str, images: Tensor) -> Column:
    return Column(direction, role, tuple(map(_picture, images)))


def _picture(image: Tensor) -> Image.Image:
    """Return a grey or RGB picture; of other channel counts the first three are shown."""
    levels = image.float().clamp(0, 1).mul(255).round().byte().cpu()
    shown = levels[:3] if len(levels) >= 3 else levels[:1].expand(3, -1, -1)
    return Image.fromarray(shown.permute(1, 2, 0).contiguous().numpy())
