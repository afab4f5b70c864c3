"""Translating image files, each into a file of the same name."""

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

from cgkit.errors import DataError, UsageError
from cgkit.images.limits import at_most
from cgkit.images.pixels import PixelFormat, to_unit
from cgkit.images.reading import Values, read_values
from cgkit.images.writing import check_format, suffix_for, write_image, write_values
from cgkit.translation.clips import CONTAINERS, is_clip
from cgkit.translation.pipeline import alike, in_order
from cgkit.translation.planning import plan
from cgkit.translation.record import begin
from cgkit.translation.translator import Translator
from cgkit.translation.video import SAMPLES, translate_clip

THREADS = 2
"""Decoding and encoding take a few milliseconds an image, a generator on a CPU a hundred times that."""


FileProgress = Callable[[Path, float], None]


@dataclass(frozen=True)
class _Job:
    """An image on its way from one file to another: its pixels `(C, H, W)`, or why it has none.

    Its transparency, `(1, H, W)`, goes with it where the model's spec says so. A large image stays as its file holds
    it (`values`), and becomes what is written into the other one (`written`). A video is translated from file to file
    (`complete`).
    """

    source: Path
    target: Path
    image: Tensor | None = None
    alpha: Tensor | None = None
    values: Values | None = None
    written: tuple[NDArray[Any], PixelFormat] | None = None
    error: DataError | None = None
    done: bool = False
    complete: bool = False

    @property
    def finished(self) -> bool:
        """Whether nothing is left to be done."""
        return self.done or self.complete or self.error is not None

    @property
    def shape(self) -> torch.Size | None:
        return None if self.image is None else self.image.shape

    def failed(self, error: DataError) -> _Job:
        return replace(self, image=None, error=error)


@dataclass(frozen=True)
class Skipped:
    """A translation that an earlier call has written."""

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
    progress: FileProgress = lambda file, share: None,
) -> Generator[Path | Skipped | DataError, None, None]:
    """Translate images, all images of folders, and videos; yield each file written, or why one was not, in order.

    Names stay as they are, and so do formats, unless one cannot hold what the model writes: it is `.png` then, or
    `.tif` where neither can that. A folder's images keep their place in it. While the generator works, the
    next files are read and the last ones written; only a few images are in memory at any time. What the same model has
    written into the folder before, of images that have not changed, is not done again.

    Args:
        translator: what translates.
        inputs: files, folders and patterns.
        output: the folder to write into.
        batch: how many consecutive images of one size go through the generator together.
        suffix: the format to write, such as `.png`, by default each image's own.
        overwrite: whether to write everything anew, whoever wrote what is there.
        samples: from how many frames a video's statistics are taken; 0 for each frame's own.
        progress: is told which large image or video is being translated, and the share of it that is done.

    Raises:
        UsageError: two images would be written to one file, an image would be overwritten, or a file that this model
            did not write; or the format named cannot hold what the model writes.
        DataError: a folder holds no images, or a pattern finds no file.
        ResourceError: the disk is full, or the folder cannot be written in.
    """
    if suffix is not None:
        check_format(suffix, translator.target)

    def name(own: str) -> str:
        return own if own.lower() in CONTAINERS else suffix or suffix_for(own, translator.target)

    places = plan(inputs, output, name)
    record = begin(output, translator.identity(), (target for _, target in places), overwrite=overwrite)
    jobs = (_Job(source, target, done=record.holds(target, source)) for source, target in places)
    batch = batch if translator.takes_batches else 1
    threads = ThreadPoolExecutor(THREADS)
    limits = ExitStack()
    limits.enter_context(at_most(translator.max_pixels))
    try:
        decoded = in_order(threads, partial(_decoded, translator), jobs, ahead=2 * batch)
        large = _translated_by_themselves(translator, decoded, partial(_clip, translator, samples, batch), progress)
        translated = _translated(translator, large, batch)
        yield from in_order(threads, partial(_written, translator), translated, ahead=batch)
    finally:
        threads.shutdown(cancel_futures=True)
        limits.close()


def _decoded(translator: Translator, job: _Job) -> _Job:
    if job.done or is_clip(job.source):
        return job
    try:
        values = read_values(job.source, translator.source)
        if translator.large.may_be(*values.content.shape[:2]):
            return replace(job, values=values)
        return _with_pixels(translator, job, values)
    except DataError as error:
        return job.failed(error)


def _with_pixels(translator: Translator, job: _Job, values: Values) -> _Job:
    try:
        image, alpha = to_unit(values.content, values.header, translator.source)
    except DataError as error:
        return job.failed(DataError(f"{job.source}: {error.message}", hint=error.hint))
    return replace(job, image=image, alpha=alpha if translator.source.alpha == "carry" else None, values=None)


def _translated_by_themselves(
    translator: Translator, jobs: Iterable[_Job], clip: Callable[[_Job, FileProgress], _Job], progress: FileProgress
) -> Iterator[_Job]:
    """Yield jobs, videos and what is given tiles done; others that might have been, with their pixels."""
    for job in jobs:
        if is_clip(job.source) and not job.finished:
            yield clip(job, progress)
        elif job.values is None:
            yield job
        elif not translator.large.wanted(*job.values.content.shape[:2]):
            yield _with_pixels(translator, job, job.values)
        else:
            yield _one_in_tiles(translator, job, job.values, partial(progress, job.source))


def _clip(translator: Translator, samples: int, batch: int, job: _Job, progress: FileProgress) -> _Job:
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        told = partial(progress, job.source)
        damaged = translate_clip(translator, job.source, job.target, samples=samples, batch=batch, progress=told)
    except DataError as error:
        return job.failed(error)
    except ValueError as error:
        return job.failed(DataError(f"{job.source}: {error}"))
    if damaged:
        return job.failed(DataError(f"{job.source}: {damaged} frames are damaged", hint=f"see {job.target}"))
    return replace(job, complete=True)


def _one_in_tiles(translator: Translator, job: _Job, values: Values, progress: Callable[[float], None]) -> _Job:
    try:
        formats = translator.source, translator.target
        return replace(job, values=None, written=translator.large.translated_values(values, *formats, progress))
    except DataError as error:
        return replace(job, values=None).failed(DataError(f"{job.source}: {error.message}", hint=error.hint))
    except ValueError as error:  # what a generator raises where images are too small for it
        return replace(job, values=None).failed(DataError(f"{job.source}: {error}"))


def _translated(translator: Translator, jobs: Iterable[_Job], batch: int) -> Iterator[_Job]:
    for part in alike(jobs, lambda job: job.shape, batch):
        images = [job.image for job in part if job.image is not None]
        if not images:
            yield from part
            continue
        try:
            translations = translator.translate(torch.stack(images))
        except ValueError as error:  # what a generator raises where images are too small for it
            yield from (job.failed(DataError(f"{job.source}: {error}")) for job in part)
        else:
            yield from (replace(job, image=image) for job, image in zip(part, translations, strict=True))


def _written(translator: Translator, job: _Job) -> Path | Skipped | DataError:
    if job.done:
        return Skipped(job.target)
    if job.complete:
        return job.target
    if job.image is None and job.written is None:
        return job.error or DataError(f"{job.source}: not translated")
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        if job.image is not None:
            write_image(job.image, job.target, translator.target, alpha=job.alpha)
        elif job.written is not None:
            write_values(job.written[0], job.target, job.written[1])
    except DataError as error:
        return error
    except UsageError as error:  # a suffix that no format has, or of a format without transparency
        return DataError(error.message, hint=error.hint)
    return job.target
