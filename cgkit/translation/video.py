"""Translating videos frame by frame, without the flicker that varying norm statistics would cause."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from cgkit.contracts import ImageHeader, Layout
from cgkit.errors import CgkitWarning, DataError
from cgkit.files.atomic import replacing
from cgkit.images.pixels import PixelFormat, to_unit, to_values
from cgkit.tiling.norm_statistics import Statistics
from cgkit.tiling.windows import Progress
from cgkit.translation.clip_writer import ClipWriter
from cgkit.translation.clips import CONTAINERS, Clip, Frame, open_clip
from cgkit.translation.differences import differences
from cgkit.translation.translator import Translator

SAMPLES = 16
"""Default number of frames of a video over which norm statistics are collected."""

_UNIT = PixelFormat(range=(0, 1), depth="float32")


def translate_clip(
    translator: Translator,
    source: Path,
    target: Path,
    *,
    samples: int = SAMPLES,
    batch: int = 4,
    progress: Progress = lambda share: None,
) -> int:
    """Translate a video file, and replace the target only if the translation succeeds.

    Everything besides the frames is preserved; a warning says what cannot be.

    Args:
        translator: a translator of grey or colour images.
        source: the file to read.
        target: the file to write, with a suffix of `CONTAINERS`.
        samples: number of frames, spread over the clip, whose norm statistics are used for all frames; with 0, each
            frame has its own statistics, so the colours of a frame depend on everything that is visible in it.
        batch: number of frames to translate at once.
        progress: called with the fraction completed so far, from 0 to 1.

    Returns:
        the number of damaged frames. Partly decoded frames are translated; frames that were not decoded are left out.

    Raises:
        DataError: the file is not a readable video, its frames would get another size, PyAV is not installed, or the
            model's images are neither grey nor colour.
    """
    if {translator.in_channels, translator.out_channels} - {1, 3}:
        raise DataError(f"{source}: a model for videos must translate grey or colour images to grey or colour images")
    with open_clip(source) as clip:
        if translator.scaling.sizes(*clip.size)[1] != clip.size:
            raise DataError(f"{source}: videos keep their size", hint="translate it without --size and --max-side")
        with replacing(target) as temporary:
            writer = ClipWriter(temporary, CONTAINERS[target.suffix.lower()], clip, translator.out_channels)
            complete = False
            try:
                damaged = _translate_frames(translator, clip, writer, samples, batch, progress)
                complete = True
            finally:
                writer.close(complete=complete)
            with open_clip(temporary) as written:
                found = differences(clip, written, writer.dropped)
    if found:
        warnings.warn(f"{target}: " + "; ".join(found), CgkitWarning, stacklevel=2)
    return damaged


def _translate_frames(
    translator: Translator, clip: Clip, writer: ClipWriter, samples: int, batch: int, progress: Progress
) -> int:
    """Write the translations of all frames; return the number of damaged frames."""
    statistics = _collect_statistics(translator, clip, samples) if samples else None
    damaged = finished = 0
    frames = clip.frames(writer.copy)
    while part := list(islice(frames, batch)):
        damaged += sum(frame is None or frame.damaged for frame in part)
        decoded = [frame for frame in part if frame is not None]
        pairs = [_to_tensors(translator, frame) for frame in decoded]
        translations = _translate(translator, [image for image, _ in pairs], statistics)
        for image, frame, (_, alpha) in zip(translations, decoded, pairs, strict=True):
            writer.frame(to_values(image, _UNIT), frame, None if alpha is None else alpha[0].numpy())
        finished += len(part)
        progress(min(1.0, clip.share(finished)))
    return damaged


def _collect_statistics(translator: Translator, clip: Clip, samples: int) -> Statistics:
    statistics = Statistics()
    for frame in clip.samples(samples):
        with statistics.collecting():
            translator.translate_whole(_to_tensors(translator, frame)[0][None])
    return statistics


def _translate(translator: Translator, images: list[Tensor], statistics: Statistics | None) -> Iterator[Tensor]:
    size = max(1, len(images)) if translator.takes_batches else 1
    for start in range(0, len(images), size):
        with nullcontext() if statistics is None else statistics.frozen():
            translations = translator.translate_whole(torch.stack(images[start : start + size]))
        yield from translations


def _to_tensors(translator: Translator, frame: Frame) -> tuple[Tensor, Tensor | None]:
    """Return a frame for the generator, and its alpha channel or None."""
    height, width, channels = frame.values.shape
    layout: Layout = "grey" if channels < 3 else "colour"
    header = ImageHeader(width, height, channels, "video", "float32", layout, alpha=channels in (2, 4))
    return to_unit(frame.values, header, replace(translator.source, range=(0, 1)))
