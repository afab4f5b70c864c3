"""A sheet of test images: the same ones every time, in both directions, there and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from cgkit.evaluation.gathering import Translate

GAP = 4
HEADER = 16


@torch.inference_mode()
def sample_sheet(tests: tuple[Tensor, Tensor], translate: Mapping[str, Translate], *, aligned: bool) -> Image.Image:
    """Return a sheet with one row a test image.

    The columns are source, translation and cycle, for both directions; with an aligned test split the truth follows
    the translation.

    Args:
        tests: test images of both domains, `(N, C, H, W)` in [0, 1].
        translate: both directions by name.
        aligned: whether the n-th images of both domains show the same scene.
    """
    images_a, images_b = tests
    columns: list[tuple[str, Tensor]] = []
    directions = (("a", images_a, "b", images_b, "a2b", "b2a"), ("b", images_b, "a", images_a, "b2a", "a2b"))
    for source_name, sources, target_name, truths, forth, back in directions:
        translations = translate[forth](sources)
        columns += [(source_name, sources), (f"{source_name} to {target_name}", translations)]
        if aligned:
            columns.append((f"true {target_name}", truths))
        columns.append(("and back", translate[back](translations)))
    return _grid(columns)


def _grid(columns: list[tuple[str, Tensor]]) -> Image.Image:
    height, width = columns[0][1].shape[-2:]
    rows = max(len(images) for _, images in columns)
    half = len(columns) // 2
    sheet_width = len(columns) * (width + GAP) + 3 * GAP
    sheet = Image.new("RGB", (sheet_width, HEADER + rows * (height + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (title, images) in enumerate(columns):
        left = GAP + number * (width + GAP) + (2 * GAP if number >= half else 0)
        draw.text((left, 2), title, fill="black")
        for row, image in enumerate(images):
            sheet.paste(_picture(image), (left, HEADER + row * (height + GAP)))
    return sheet


def _picture(image: Tensor) -> Image.Image:
    """Return a grey or RGB picture; of other channel counts the first three are shown."""
    levels = image.float().clamp(0, 1).mul(255).round().byte().cpu()
    shown = levels[:3] if len(levels) >= 3 else levels[:1].expand(3, -1, -1)
    return Image.fromarray(shown.permute(1, 2, 0).contiguous().numpy())
