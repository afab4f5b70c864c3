"""Translating image and video files, each into a file of the same name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cgkit.contracts import Size
from cgkit.data.framing import resize
from cgkit.errors import CgkitWarning, DataError, UsageError
from cgkit.files.limits import at_most
from cgkit.images.formats import Carry
from cgkit.images.pixels import missing_in, to_unit_without
from cgkit.images.reading import Values, read_values
from cgkit.images.writing import Missing, write_image, write_values
from cgkit.tiling.windows import Progress
from cgkit.translation.clips import is_clip
from cgkit.translation.jobs import Job, names_file, plan_file, plan_folder
from cgkit.translation.pipeline import batches, in_order
from cgkit.translation.planning import Shard
from cgkit.translation.translator import Translator
from cgkit.translation.video import SAMPLES, translate_clip
from cgkit.translation.wholes import translate_whole_file

THREADS = 2
"""Number of threads that decode and encode files. Two suffice: on a CPU, the generator takes 100 times as long."""


FileProgress = Callable[[Path, float], None]
"""Called with the file being translated and the fraction completed so far, from 0 to 1."""


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
            would be overwritten, the given format cannot hold the translations, one file was named for several, or
            another model writes into the folder, too.
        DataError: a folder contains no images, or a pattern matches no file.
        ResourceError: the disk is full, or the output folder is not writable.
    """
    if names_file(translator, output):
        if suffix is not None or shard != (1, 1):
            raise UsageError(f"{output} is one file, so there is no format and no shard to choose")
        jobs = [plan_file(translator, inputs, output, overwrite=overwrite)]
    else:
        jobs = plan_folder(translator, inputs, output, suffix, shard, overwrite=overwrite)
    started(len(jobs))
    batch = batch if translator.takes_batches else 1
    threads = ThreadPoolExecutor(THREADS)
    limits = ExitStack()
    limits.enter_context(at_most(translator.max_pixels))
    try:
        loaded = in_order(threads, partial(_load, translator), jobs, ahead=2 * batch)
        whole_files = partial(_translate_whole, translator, samples, batch)
        small = _translate_large(translator, loaded, whole_files, progress)
        translated = _translate_batches(translator, small, batch)
        yield from in_order(threads, partial(_write, translator), translated, ahead=batch)
    finally:
        threads.shutdown(cancel_futures=True)
        limits.close()


def _load(translator: Translator, job: Job) -> Job:
    if job.finished or job.whole is not None or is_clip(job.source):
        return job
    try:
        values = read_values(job.source, translator.source, translator.formats)
    except DataError as error:
        return job.fail(error)
    for note in values.header.notes:
        translator.remark(note, f"{job.source}: {note}")
    missing = missing_in(values.content, values.header)
    nodata = math.nan if values.header.nodata is None else values.header.nodata
    job = replace(
        job,
        carry=values.carry if translator.keeps_metadata else None,
        missing=None if missing is None else (missing, nodata),
    )
    height, width = values.content.shape[:2]
    if translator.large.might_tile(height, width) and not translator.scaling.changes(height, width):
        return replace(job, values=values)
    return _convert(translator, job, values)


def _convert(translator: Translator, job: Job, values: Values) -> Job:
    try:
        missing = None if job.missing is None else job.missing[0]
        image, alpha = to_unit_without(missing, values.content, values.header, translator.source)
    except DataError as error:
        return job.fail_because(error.message, error.hint)
    height, width = image.shape[-2:]
    carried = alpha if translator.source.alpha == "carry" else None
    result = translator.scaling.sizes(height, width)[1]
    alpha = None if carried is None else resize(carried, result)
    carry = job.carry
    if carry is not None and result != (height, width):
        if carry.depends_on_size:
            text = "the translation has another size, for which its georeference, or what its format says, is not true"
            translator.remark("resized", f"{job.source}: {text}")
        carry = carry.resized()
    return replace(job, image=image, alpha=alpha, values=None, carry=carry, missing=_resize(job.missing, result))


def _resize(missing: Missing | None, size: Size) -> Missing | None:
    """Return which pixels of a resized image have no data: the nearest pixels decide."""
    if missing is None or missing[0].shape[:2] == size:
        return missing
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, missing[0].shape[:2], strict=True))
    return missing[0][rows[:, None], columns], missing[1]


def _translate_large(
    translator: Translator,
    jobs: Iterable[Job],
    translate_file: Callable[[Job, FileProgress], Job],
    progress: FileProgress,
) -> Iterator[Job]:
    """Translate videos and other whole files, and large images in tiles; prepare other images for the next stage."""
    for job in jobs:
        if (job.whole is not None or is_clip(job.source)) and not job.finished:
            if job.record is not None:
                job.record.refuse_others()
            yield translate_file(job, progress)
        elif job.values is None:
            yield job
        elif not translator.tiles_values(*job.values.content.shape[:2]):
            yield _convert(translator, job, job.values)
        else:
            yield _translate_in_tiles(translator, job, job.values, partial(progress, job.source))


def _translate_whole(translator: Translator, samples: int, batch: int, job: Job, progress: FileProgress) -> Job:
    if job.whole is None:
        return _translate_video(translator, samples, batch, job, progress)
    report = partial(progress, job.source)
    try:
        remarks = translate_whole_file(translator, job.whole, job.source, job.target, samples, report)
    except DataError as error:
        return job.fail(error)
    for remark in remarks:
        warnings.warn(f"{job.source}: {remark}", CgkitWarning, stacklevel=2)
    return replace(job, complete=True)


def _translate_video(translator: Translator, samples: int, batch: int, job: Job, progress: FileProgress) -> Job:
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


def _translate_in_tiles(translator: Translator, job: Job, values: Values, progress: Progress) -> Job:
    try:
        written = translator.large.translate_values(values, translator.source, translator.target, progress)
    except DataError as error:
        return job.fail_because(error.message, error.hint)
    except ValueError as error:  # the generator does not accept images of this size
        return job.fail_because(str(error))
    return replace(job, values=None, written=written)


def _translate_batches(translator: Translator, jobs: Iterable[Job], batch: int) -> Iterator[Job]:
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


def _remark_loss(translator: Translator, job: Job, carry: Carry) -> None:
    named = translator.formats.of_suffix(job.target.suffix)
    if named is not None and named.key != carry.format and carry.content:
        what = f"what its {job.source.suffix.lower()} file says besides its pixels, such as place, date and resolution"
        translator.remark(f"format {named.name}", f"{job.source}: a translation to {named.title} loses {what}")


def _write(translator: Translator, job: Job) -> Path | Skipped | DataError:
    if job.skipped:
        return Skipped(job.target)
    if job.complete:
        return _record(job)
    if job.image is None and job.written is None:
        return job.error or DataError(f"{job.source}: not translated")
    if job.carry is not None:
        _remark_loss(translator, job, job.carry)
    if job.record is not None:
        job.record.refuse_others()
    said: dict[str, Any] = {"carry": job.carry, "missing": job.missing, "formats": translator.formats}
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        if job.image is not None:
            write_image(job.image, job.target, translator.target, alpha=job.alpha, **said)
        elif job.written is not None:
            write_values(job.written[0], job.target, job.written[1], **said)
    except DataError as error:
        return error
    except UsageError as error:  # an unknown suffix, or a format without transparency
        return DataError(error.message, hint=error.hint)
    return _record(job)


def _record(job: Job) -> Path:
    """Record that a translation is finished; return its path."""
    if job.record is not None:
        job.record.add(job.target, job.source)
    return job.target
