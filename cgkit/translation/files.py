"""Translating image files, each into a file of the same name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from cgkit.data.images import read_image, write_image
from cgkit.errors import DataError, UsageError
from cgkit.listing import list_images
from cgkit.translation.pipeline import alike, in_order
from cgkit.translation.translator import Translator

THREADS = 2
"""Decoding and encoding take a few milliseconds an image, a generator on a CPU a hundred times that."""


@dataclass(frozen=True)
class _Job:
    """An image on its way from one file to another: its pixels `(C, H, W)`, or why there are none."""

    source: Path
    target: Path
    image: Tensor | None = None
    error: DataError | None = None

    @property
    def shape(self) -> torch.Size | None:
        return None if self.image is None else self.image.shape

    def failed(self, error: DataError) -> _Job:
        return replace(self, image=None, error=error)


def translate_files(
    translator: Translator, inputs: Sequence[Path], output: Path, *, batch: int = 4
) -> Iterator[Path | DataError]:
    """Translate files, and all images of folders; yield each file written, or why one was not, in their order.

    Names and formats stay as they are, and a folder's images keep their place in it. While the generator works, the
    next files are read and the last ones written; only a few images are in memory at any time.

    Args:
        translator: what translates.
        inputs: files and folders.
        output: the folder to write into.
        batch: how many consecutive images of one size go through the generator together.

    Raises:
        UsageError: two inputs would be written to one file, or an input would be overwritten.
        DataError: a folder holds no images.
        ResourceError: the disk is full, or the folder cannot be written in.
    """
    jobs = [_Job(source, target) for source, target in _targets(inputs, output)]
    batch = batch if translator.takes_batches else 1
    threads = ThreadPoolExecutor(THREADS)
    try:
        decoded = in_order(threads, partial(_decoded, translator), jobs, ahead=2 * batch)
        translated = _translated(translator, decoded, batch)
        yield from in_order(threads, _written, translated, ahead=batch)
    finally:
        threads.shutdown(cancel_futures=True)


def _targets(inputs: Sequence[Path], output: Path) -> list[tuple[Path, Path]]:
    targets: dict[Path, Path] = {}
    for given in inputs:
        folder = given if given.is_dir() else given.parent
        for source in list_images(given) if given.is_dir() else [given]:
            target = output / source.relative_to(folder)
            if target in targets:
                raise UsageError(
                    f"{targets[target]} and {source} would both be written to {target}",
                    hint="translate them into different folders",
                )
            if target.exists() and source.exists() and target.samefile(source):
                raise UsageError(f"{source} would be overwritten", hint="choose another --output")
            targets[target] = source
    return [(source, target) for target, source in targets.items()]


def _decoded(translator: Translator, job: _Job) -> _Job:
    background = translator.info.spec.data.background
    try:
        return replace(job, image=read_image(job.source, channels=translator.in_channels, background=background))
    except DataError as error:
        return job.failed(error)


def _translated(translator: Translator, jobs: Iterable[_Job], batch: int) -> Iterator[_Job]:
    for part in alike(jobs, lambda job: job.shape, batch):
        images = [job.image for job in part if job.image is not None]
        if not images:
            yield from part
            continue
        try:
            translations = translator(torch.stack(images))
        except ValueError as error:  # what a generator raises where images are too small for it
            yield from (job.failed(DataError(f"{job.source}: {error}")) for job in part)
        else:
            yield from (replace(job, image=image) for job, image in zip(part, translations, strict=True))


def _written(job: _Job) -> Path | DataError:
    if job.image is None:
        return job.error or DataError(f"{job.source}: not translated")
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        write_image(job.image, job.target)
    except DataError as error:
        return error
    except UsageError as error:  # a suffix that no format has
        return DataError(error.message)
    return job.target
