"""The images that a starter spec is for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cgkit.errors import DataError, Problems
from cgkit.images.formats import Formats
from cgkit.packages import VOLUMES
from cgkit.scaffolding.folder_survey import SAMPLE_SIZE, FolderSurvey, survey_folder
from cgkit.scaffolding.layouts import Layout, find_layout
from cgkit.spec.model import Evaluation

BUILT_IN = 64
"""The size of the built-in landscapes in pixels; they can be painted in any size."""

MANY_BANDS = 16
"""Images with more channels than this may be volumes."""

HELD_OUT = 0.1
"""The fraction of the images held out for testing, if there are no test images."""

SCORED = Evaluation().count


@dataclass(frozen=True)
class Dataset:
    """The folders of a data set and surveys of both domains, or nothing for the built-in landscapes.

    Attributes:
        layout: its folders.
        surveys: the surveys of the training images of a and b.
    """

    layout: Layout | None = None
    surveys: tuple[FolderSurvey, ...] = ()

    @property
    def name(self) -> str:
        """A name for a run on this data."""
        return self.layout.name if self.layout else "seasons"

    @property
    def side(self) -> float:
        """The median length of the images' shorter sides in pixels, of the domain with the smaller images."""
        return min((survey.side for survey in self.surveys), default=BUILT_IN)

    @property
    def aspect(self) -> float:
        """The aspect ratio that nearly all images share; 1 if there is none."""
        aspects = [survey.aspect for survey in self.surveys]
        known = [aspect for aspect in aspects if aspect is not None]
        alike = known and len(known) == len(aspects) and max(known) <= 1.1 * min(known)
        return sum(known) / len(known) if alike else 1.0

    @property
    def count(self) -> int:
        """The number of training images of the domain that has fewer."""
        return min((survey.count for survey in self.surveys), default=600)

    @property
    def scored(self) -> int:
        """The number of test images of each domain that a run scores by default."""
        held_out = round(HELD_OUT * max((survey.count for survey in self.surveys), default=0)) or 1
        return min(SCORED, (self.layout.tests or held_out) if self.layout else SCORED)

    @property
    def same_channels(self) -> bool:
        """Whether both domains have the same number of channels, as the identity loss requires."""
        return len({survey.channels for survey in self.surveys}) < 2

    def has_windows(self, size: tuple[int, int]) -> bool:
        """Return whether a window of a size can be cropped from every image."""
        return bool(self.surveys) and all(survey.smallest >= max(size) for survey in self.surveys)

    def lines(self, relative_to: Path | None) -> Iterator[str]:
        """Yield the lines of the spec that name the data, with paths relative to a folder, or absolute ones."""
        if self.layout is None:
            yield 'source = "seasons"        # built-in; for your own images run: cgkit init FOLDER_A FOLDER_B'
            return
        yield 'source = "folder"'
        folders = dict(zip("ab", self.layout.train, strict=True))
        if self.layout.test is not None:
            folders |= dict(zip(("test_a", "test_b"), self.layout.test, strict=True))
        for key, folder in folders.items():
            path = folder.resolve() if relative_to is None else os.path.relpath(folder, relative_to)
            yield f"{key} = {json.dumps(str(path))}"
        if self.layout.test is None:
            yield f"held_out = {HELD_OUT}            # fraction of the images held out for testing"
        elif self.layout.aligned:
            yield "aligned = true            # test images have the same names; false if they show different scenes"
        else:
            yield "# aligned = true          # if test images of the same name show the same scene"
        yield from self._pixel_lines()

    def _pixel_lines(self) -> Iterator[str]:
        channels = {side: survey.channels for side, survey in zip("ab", self.surveys, strict=True)}
        if set(channels.values()) != {3}:
            yield f"channels = {{ a = {channels['a']}, b = {channels['b']} }}"
        found = {side: survey.value_range for side, survey in zip("ab", self.surveys, strict=True)}
        ranges = [f"{side} = {list(span)}" for side, span in found.items() if span]
        if ranges:
            yield f"# Values of black and white, estimated from up to {SAMPLE_SIZE} images per folder: please check."
            yield f"range = {{ {', '.join(ranges)} }}"


def survey_dataset(folders: Sequence[Path], formats: Formats) -> tuple[Dataset, list[str]]:
    """Return the data set in one or two folders, or the built-in one for none, and remarks for the user.

    Raises:
        UsageError: the folders are no data set; see `find_layout`.
        DataError: a folder contains no readable image.
    """
    if not folders:
        return Dataset(), []
    with formats.listed():
        layout = find_layout(folders)
    surveys, remarks, failed = [], list(layout.remarks), []
    for side, folder in zip("ab", layout.train, strict=True):
        try:
            survey, errors = survey_folder(folder, formats)
        except DataError as error:
            failed.append(str(error))
        else:
            surveys.append(survey)
            remarks += _describe(side, survey, errors)
    if failed:
        raise DataError(Problems.of(failed))
    return Dataset(layout, tuple(surveys)), remarks


def _describe(side: str, survey: FolderSurvey, errors: Sequence[DataError]) -> Iterator[str]:
    count = f"{survey.count} image{'' if survey.count == 1 else 's'}"
    yield f"{side}: {count}, shorter side {survey.side:.0f} pixels, {survey.describe()}"
    if survey.channels > MANY_BANDS:
        volumes = f"if they are the slices of volumes, train on those with the package {VOLUMES}"
        yield f"  warning: {survey.channels} channels are taken for bands of one image; {volumes}"
    if survey.others:
        yield f"  ignored: {survey.others}"
    for error in errors:
        yield f"  unreadable; fix or remove it: {error}"
