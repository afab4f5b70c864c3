"""Translating image and video files, each into a file of the same name."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from cgkit.data.framing import resize
from cgkit.errors import DataError, UsageError
from cgkit.files.limits import at_most
from cgkit.images.formats import Carry
from cgkit.images.pixels import PixelFormat, to_unit
from cgkit.images.reading import Values, read_values
from cgkit.images.writing import check_format, suffix_for, write_image, write_values
from cgkit.tiling.windows import Progress
from cgkit.translation.clips import CONTAINERS, is_clip
from cgkit.translation.pipeline import batches, in_order
from cgkit.translation.planning import Shard, in_shard, list_files, plan, refuse_overwriting
from cgkit.translation.record import begin
from cgkit.translation.translator import Translator
from cgkit.translation.video import SAMPLES, translate_clip

THREADS = 2
"""Number of threads that decode and encode files. Two suffice: on a CPU, the generator takes 100 times as long."""


FileProgress = Callable[[Path, float], None]
"""Called with the file being translated and the fraction completed so far, from 0 to 1."""


@dataclass(frozen=True)
class _Job:
    """One file in the pipeline; which fields are set depends on the stage that it has reached.

    Attributes:
        source: the file to translate.
        target: the file to write.
        image: the source image, later its translation, as `(C, H, W)` in [0, 1].
        alpha: the alpha channel to carry over to the translation, `(1, H, W)`.
        carry: what else the source file says, for a translation in the same format.
        values: the source image as stored in its file, as long as it might be translated in tiles.
        written: the translation of an image that was translated in tiles, as stored in a file, and its pixel format.
        error: the reason why the file cannot be translated.
        skipped: whether an earlier call has already written the target.
        complete: whether the target has been written.
    """

    source: Path
    target: Path
    image: Tensor | None = None
    alpha: Tensor | None = None
    carry: Carry | None = None
    values: Values | None = None
    written: tuple[NDArray[Any], PixelFormat] | None = None
    error: DataError | None = None
    skipped: bool = False
    complete: bool = False

    @property
    def finished(self) -> bool:
        return self.skipped or self.complete or self.error is not None

    @property
    def shape(self) -> torch.Size | None:
        return None if self.image is None else self.image.shape

    def fail(self, error: DataError) -> _Job:
        return replace(self, image=None, values=None, error=error)

    def fail_because(self, reason: str, hint: str | None = None) -> _Job:
        return self.fail(DataError(f"{self.source}: {reason}", hint=hint))


@dataclass(frozen=True)
class Skipped:
    """The path of a translation that was skipped, because an earlier call has already written it."""

    target: Path


def translate_files(
    translator: Translator,
    inputs: Sequence[Path],
    output: Path,
    *,
    batch: int = 4,
    suffix: str | None = None,
    overwrite: bool = False,
    samples: int = SAMPLES,
    shard: Shard = (1, 1),
    started: Callable[[int], None] = lambda files: None,
    progress: FileProgress = lambda file, share: None,
) -> Generator[Path | Skipped | DataError, None, None]:
    """Translate images, folders of images, and videos; yield the path written, a `Skipped` or the error of each file.

    Results are in the order of the inputs. Translations keep the names and formats of their sources; images of a
    folder also keep their relative paths. If the source's format cannot hold a translation, the translation is written
    as `.png`, or as `.tif` if PNG cannot hold it either. Files are read and written while the generator works, with
    only a few images in memory at a time. Files that the same model has already written are skipped, unless their
    sources have changed.

    Args:
        translator: the translator to use.
        inputs: image files, video files, folders of images, and glob patterns.
        output: the folder to write into; or the file to write, with the suffix of an image, for exactly one input.
        batch: maximum number of consecutive images of the same size, or of video frames, to translate at once.
        suffix: the suffix of the image format to write, such as `.png`; by default each image keeps its format.
        overwrite: whether to write all files again, even those that this model did not write.
        samples: number of frames per video over which to collect norm statistics; with 0, each frame has its own.
        shard: translates one of several parts of the files, such as (1, 64) for the first of 64.
        started: called with the number of files, before any is translated.
        progress: called repeatedly during the translation of a video, or of an image in tiles.

    Raises:
        UsageError: two translations would be written to the same file, an input or a file that this model did not write
            would be overwritten, the given format cannot hold the translations, or one file was named for several.
        DataError: a folder contains no images, or a pattern matches no file.
        ResourceError: the disk is full, or the output folder is not writable.
    """
    if names_file(translator, output):
        if suffix is not None or shard != (1, 1):
            raise UsageError(f"{output} is one file, so there is no format and no shard to choose")
        jobs = [_plan_one(translator, inputs, output, overwrite=overwrite)]
    else:
        jobs = _plan(translator, inputs, output, suffix, shard, overwrite=overwrite)
    started(len(jobs))
    batch = batch if translator.takes_batches else 1
    threads = ThreadPoolExecutor(THREADS)
    limits = ExitStack()
    limits.enter_context(at_most(translator.max_pixels))
    try:
        loaded = in_order(threads, partial(_load, translator), jobs, ahead=2 * batch)
        video_stage = partial(_translate_video, translator, samples, batch)
        small = _translate_large(translator, loaded, video_stage, progress)
        translated = _translate_batches(translator, small, batch)
        yield from in_order(threads, partial(_write, translator), translated, ahead=batch)
    finally:
        threads.shutdown(cancel_futures=True)
        limits.close()


def names_file(translator: Translator, output: Path) -> bool:
    """Return whether a path names one file to write, not a folder."""
    suffix = output.suffix.lower()
    return not output.is_dir() and (suffix in CONTAINERS or translator.formats.of_suffix(suffix) is not None)


def _plan(
    translator: Translator, inputs: Sequence[Path], output: Path, suffix: str | None, shard: Shard, *, overwrite: bool
) -> list[_Job]:
    if suffix is not None:
        check_format(suffix, translator.target, translator.formats)

    def choose_suffix(own: str) -> str:
        return own if own.lower() in CONTAINERS else suffix or suffix_for(own, translator.target, translator.formats)

    with translator.formats.listed():
        planned = plan(inputs, output, choose_suffix)
    planned = [(source, target) for source, target in planned if in_shard(target, output, shard)]
    record = begin(output, translator.identity(), (target for _, target in planned), overwrite=overwrite)
    return [_Job(source, target, skipped=record.holds(target, source)) for source, target in planned]


def _plan_one(translator: Translator, inputs: Sequence[Path], output: Path, *, overwrite: bool) -> _Job:
    with translator.formats.listed():
        sources = list_files(inputs, output)
    if len(sources) != 1:
        raise UsageError(f"{output} is one file, but there are {len(sources)} images", hint="give --output a folder")
    if is_clip(sources[0]) != is_clip(output):
        raise UsageError(f"{sources[0]} cannot be written as {output.suffix}", hint="give --output a folder")
    if not is_clip(output):
        check_format(output.suffix, translator.target, translator.formats)
    refuse_overwriting({output: sources[0]})
    if output.exists() and not overwrite:
        raise UsageError(f"{output} would be replaced", hint="choose another --output, or allow it with --overwrite")
    return _Job(sources[0], output)


def _load(translator: Translator, job: _Job) -> _Job:
    if job.skipped or is_clip(job.source):
        return job
    try:
        values = read_values(job.source, translator.source, translator.formats)
    except DataError as error:
        return job.fail(error)
    job = replace(job, carry=values.carry)
    height, width = values.content.shape[:2]
    if translator.large.might_tile(height, width) and not translator.scaling.changes(height, width):
        return replace(job, values=values)
    return _convert(translator, job, values)


def _convert(translator: Translator, job: _Job, values: Values) -> _Job:
    try:
        image, alpha = to_unit(values.content, values.header, translator.source)
    except DataError as error:
        return job.fail_because(error.message, error.hint)
    height, width = image.shape[-2:]
    carried = alpha if translator.source.alpha == "carry" else None
    result = translator.scaling.sizes(height, width)[1]
    alpha = None if carried is None else resize(carried, result)
    # Resolution and georeference are only true of a translation that has the size of its image.
    return replace(job, image=image, alpha=alpha, values=None, carry=job.carry if result == (height, width) else None)


def _translate_large(
    translator: Translator,
    jobs: Iterable[_Job],
    translate_video: Callable[[_Job, FileProgress], _Job],
    progress: FileProgress,
) -> Iterator[_Job]:
    """Translate videos, and large images in tiles; prepare the other images for the next stage."""
    for job in jobs:
        if is_clip(job.source) and not job.finished:
            yield translate_video(job, progress)
        elif job.values is None:
            yield job
        elif not translator.tiles_values(*job.values.content.shape[:2]):
            yield _convert(translator, job, job.values)
        else:
            yield _translate_in_tiles(translator, job, job.values, partial(progress, job.source))


def _translate_video(translator: Translator, samples: int, batch: int, job: _Job, progress: FileProgress) -> _Job:
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        report = partial(progress, job.source)
        damaged = translate_clip(translator, job.source, job.target, samples=samples, batch=batch, progress=report)
    except DataError as error:
        return job.fail(error)
    except ValueError as error:  # the generator does not accept frames of this size
        return job.fail_because(str(error))
    if damaged:
        return job.fail_because(f"{damaged} frames are damaged", hint=f"see {job.target}")
    return replace(job, complete=True)


def _translate_in_tiles(translator: Translator, job: _Job, values: Values, progress: Progress) -> _Job:
    try:
        written = translator.large.translate_values(values, translator.source, translator.target, progress)
    except DataError as error:
        return job.fail_because(error.message, error.hint)
    except ValueError as error:  # the generator does not accept images of this size
        return job.fail_because(str(error))
    return replace(job, values=None, written=written)


def _translate_batches(translator: Translator, jobs: Iterable[_Job], batch: int) -> Iterator[_Job]:
    for part in batches(jobs, lambda job: job.shape, batch):
        images = [job.image for job in part if job.image is not None]
        if not images:
            yield from part
            continue
        try:
            translations = translator.translate(torch.stack(images))
        except ValueError as error:  # the generator does not accept images of this size
            yield from (job.fail_because(str(error)) for job in part)
        else:
            yield from (replace(job, image=image) for job, image in zip(part, translations, strict=True))


def _write(translator: Translator, job: _Job) -> Path | Skipped | DataError:
    if job.skipped:
        return Skipped(job.target)
    if job.complete:
        return job.target
    if job.image is None and job.written is None:
        return job.error or DataError(f"{job.source}: not translated")
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        if job.image is not None:
            write_image(
                job.image, job.target, translator.target, alpha=job.alpha, carry=job.carry, formats=translator.formats
            )
        elif job.written is not None:
            write_values(job.written[0], job.target, job.written[1], carry=job.carry, formats=translator.formats)
    except DataError as error:
        return error
    except UsageError as error:  # an unknown suffix, or a format without transparency
        return DataError(error.message, hint=error.hint)
    return job.target
