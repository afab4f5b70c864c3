from __future__ import annotations

import numpy as np
import pytest
import torch

from cgkit.runs.samples import sample_sheet
from cgkit.runs.sample_sheet import GAP, HEADER

NAMES = {"a": ("one", "two"), "b": ("three", "four")}


@pytest.mark.parametrize(("aligned", "columns"), [(True, 8), (False, 6)])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_sheet_shows_source_translation_and_cycle_of_both_directions(
    aligned: bool, columns: int, channels: int
) -> None:
    tests = torch.full((2, channels, 10, 12), 0.2), torch.full((2, channels, 10, 12), 0.8)
    translate = {"a2b": lambda images: images * 0 + 0.6, "b2a": lambda images: images * 0 + 0.4}
    sheet = np.asarray(sample_sheet(tests, translate, aligned=aligned, names=NAMES).picture())
    shown = []
    for column in range(columns):
        left = GAP + column * (12 + GAP) + (2 * GAP if column >= columns // 2 else 0)
        shown.append(round(float(sheet[HEADER + 5, left + 6, 0]) / 255, 1))
    half = [0.2, 0.6, *([0.8] if aligned else []), 0.4], [0.8, 0.4, *([0.2] if aligned else []), 0.6]
    assert shown == [*half[0], *half[1]]
    assert sheet.shape[0] == HEADER + 2 * (10 + GAP) + GAP


def test_domains_of_different_channels_fit_on_one_sheet() -> None:
    tests = torch.rand(1, 1, 8, 8), torch.rand(1, 3, 8, 8)
    translate = {"a2b": lambda images: torch.rand(1, 3, 8, 8), "b2a": lambda images: torch.rand(1, 1, 8, 8)}
    assert sample_sheet(tests, translate, aligned=False, names=NAMES).picture().mode == "RGB"
