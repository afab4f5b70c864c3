from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import cgkit
from cgkit.display.terminal import TerminalReporter
from cgkit.hookspecs import RunView
from cgkit.images.sheet import GAP, HEADER
from cgkit.plugins import load_plugins
from cgkit.runs.folder import RunFolder
from cgkit.runs.samples.images import SampleImages, sample_sheet
from cgkit.runs.start import run

NAMES = {"a": ("one", "two"), "b": ("three", "four")}


@pytest.mark.parametrize(("aligned", "columns"), [(True, 8), (False, 6)])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_sheet_shows_source_translation_and_reconstruction_of_both_directions(
    aligned: bool, columns: int, channels: int
) -> None:
    def grey(level: float) -> torch.Tensor:
        return torch.full((2, channels, 10, 12), level)

    images = SampleImages(
        tests=(grey(0.2), grey(0.8)),
        translations={"a2b": grey(0.6), "b2a": grey(0.4)},
        reconstructions={"a2b": grey(0.3), "b2a": grey(0.7)},
    )
    sheet = np.asarray(sample_sheet(images, aligned=aligned, names=NAMES).picture())
    shown = []
    for column in range(columns):
        left = GAP + column * (12 + GAP) + (2 * GAP if column >= columns // 2 else 0)
        shown.append(round(float(sheet[HEADER + 5, left + 6, 0]) / 255, 1))
    half = [0.2, 0.6, *([0.8] if aligned else []), 0.3], [0.8, 0.4, *([0.2] if aligned else []), 0.7]
    assert shown == [*half[0], *half[1]]
    assert sheet.shape[0] == HEADER + 2 * (10 + GAP) + GAP


def test_domains_with_different_channels_fit_on_one_sheet() -> None:
    grey, colour = torch.rand(1, 1, 8, 8), torch.rand(1, 3, 8, 8)
    images = SampleImages((grey, colour), {"a2b": colour, "b2a": grey}, {"a2b": grey, "b2a": colour})
    assert sample_sheet(images, aligned=False, names=NAMES).picture().mode == "RGB"


class Seen:
    """A plugin that remembers the sheets."""

    def __init__(self) -> None:
        self.sheets: dict[int, Path] = {}

    @cgkit.hookimpl
    def cgkit_samples_written(self, run: RunView, step: int, file: Path) -> None:
        assert file.exists()
        self.sheets[step] = file


@pytest.mark.parametrize(("minutes", "expected"), [(60, [1, 4]), (1e-9, [1, 2, 3, 4])])
def test_the_first_step_has_a_sheet_and_time_adds_others(
    minutes: float, expected: list[int], tiny_spec: Path, tmp_path: Path
) -> None:
    plugins, seen = load_plugins(installed=False), Seen()
    plugins.manager.register(seen)
    run(tiny_spec, output=tmp_path / "run", overrides=[f"samples.minutes={minutes}"], plugins=plugins)
    assert list(RunFolder(tmp_path / "run").samples()) == list(seen.sheets) == expected


def test_only_some_of_many_sheets_are_kept_among_them_the_first_and_the_last(
    tiny_spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ["train.steps=12", "samples.every=1", "samples.keep=5"]
    with TerminalReporter() as reporter:
        folder = run(tiny_spec, overrides=overrides, output=tmp_path / "run", reporter=reporter).folder
    kept = list(RunFolder(folder).samples())
    assert kept[0] == 1
    assert kept[-1] == 12
    assert 3 <= len(kept) <= 5
    assert "2 older sample sheets were removed: samples.keep" in capsys.readouterr().err
