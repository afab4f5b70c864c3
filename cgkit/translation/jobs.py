"""What is to be translated: one job for each input file, planned before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from cgkit.errors import DataError, UsageError
from cgkit.images.formats import Carry, NamedFormat
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import Values
from cgkit.images.writing import Missing, check_format, suffix_for
from cgkit.translation.clips import CONTAINERS, is_clip
from cgkit.translation.planning import Shard, in_shard, list_files, plan, refuse_overwriting
from cgkit.translation.record import Record, begin
from cgkit.translation.translator import Translator


@dataclass(frozen=True)
class Job:
    """One file in the pipeline of a translation; which fields are set depends on the stage that it has reached.

    Attributes:
        source: the file to translate.
        target: the file to write.
        image: the source image, later its translation, as `(C, H, W)` in [0, 1].
        alpha: the alpha channel to carry over to the translation, `(1, H, W)`.
        carry: what else the source file says, for a translation in a format that understands it.
        missing: which pixels of the source image have no data, and the value for them.
        values: the source image as stored in its file, as long as it might be translated in tiles.
        written: the translation of an image that was translated in tiles, as stored in a file, and its pixel format.
        error: the reason why the file cannot be translated.
        whole: the format that translates the file as a whole, if it is more than an image.
        skipped: whether an earlier call has already written the target.
        complete: whether the target has been written.
        record: where finished translations are recorded; None for a single file.
    """

    source: Path
    target: Path
    image: Tensor | None = None
    alpha: Tensor | None = None
    carry: Carry | None = None
    missing: Missing | None = None
    values: Values | None = None
    written: tuple[NDArray[Any], PixelFormat] | None = None
    error: DataError | None = None
    whole: NamedFormat | None = None
    skipped: bool = False
    complete: bool = False
    record: Record | None = None

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.skipped or self.complete or self.error is not None

    @property
    def shape(self) -> torch.Size | None:
        """The shape of the image; None if there is none."""
        return None if self.image is None else self.image.shape

    def fail(self, error: DataError) -> Job:
        """Return the job with an error."""
        return replace(self, image=None, values=None, error=error)

    def fail_because(self, reason: str, hint: str | None = None) -> Job:
        """Return the job with an error that names its file."""
        return self.fail(DataError(f"{self.source}: {reason}", hint=hint))


def names_file(translator: Translator, output: Path) -> bool:
    """Return whether a path names one file to write, not a folder."""
    suffixes = (*CONTAINERS, *translator.formats.suffixes)
    return not output.is_dir() and output.name.lower().endswith(suffixes)


def plan_folder(
    translator: Translator, inputs: Sequence[Path], output: Path, suffix: str | None, shard: Shard, *, overwrite: bool
) -> list[Job]:
    """Return the job of each input file, to be written into a folder, which is created.

    Raises:
        UsageError: see `plan` and `begin`; or the given format cannot hold the translations.
    """
    if suffix is not None:
        check_format(suffix, translator.target, translator.formats)

    def choose_suffix(own: str) -> str:
        return own if own.lower() in CONTAINERS else suffix or suffix_for(own, translator.target, translator.formats)

    of_whole = cache(translator.formats.of_whole)  # which may read the file

    def choose_suffix_of_whole(path: Path) -> str | None:
        named = of_whole(path)
        return None if named is None else named.suffix_of_whole(path)

    with translator.formats.listed():
        planned = plan(inputs, output, choose_suffix, choose_suffix_of_whole)
    planned = [(source, target, error) for source, target, error in planned if in_shard(target, output, shard)]
    record = begin(output, translator.identity(), (target for _, target, _ in planned), overwrite=overwrite)
    jobs = [
        Job(source, target, error=error)
        if error is not None
        else Job(source, target, whole=of_whole(source), skipped=record.holds(target, source), record=record)
        for source, target, error in planned
    ]
    whole = next((job for job in jobs if job.whole is not None), None)
    if suffix is not None and whole is not None:
        translator.remark("format", f"{whole.source} is written as {whole.target.name}: {suffix} is only for images")
    return jobs


def plan_file(translator: Translator, inputs: Sequence[Path], output: Path, *, overwrite: bool) -> Job:
    """Return the job of the only input file, to be written to the file `output`.

    Raises:
        UsageError: there are several input files, or the file cannot be written with that suffix or exists.
    """
    with translator.formats.listed():
        sources = list_files(inputs, output)
    if len(sources) != 1:
        raise UsageError(f"{output} is one file, but there are {len(sources)} images", hint="give --output a folder")
    whole = translator.formats.of_whole(sources[0])
    if whole is None and is_clip(sources[0]) != is_clip(output):
        raise UsageError(f"{sources[0]} cannot be written as {output.suffix}", hint="give --output a folder")
    if whole is None and not is_clip(output):
        check_format(output.suffix, translator.target, translator.formats)
    refuse_overwriting({output: sources[0]})
    if output.exists() and not overwrite:
        raise UsageError(f"{output} would be replaced", hint="choose another --output, or allow it with --overwrite")
    return Job(sources[0], output, whole=whole)
