"""Translating videos frame by frame, without the flicker that varying norm statistics would cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from cgkit.contracts import ImageHeader, Layout
from cgkit.errors import DataError
from cgkit.files.atomic import replacing
from cgkit.images.pixels import to_unit, to_values
from cgkit.tiling.norm_statistics import Statistics
from cgkit.tiling.windows import Progress
from cgkit.translation.clips import CONTAINERS, Clip, ClipWriter, Frame, open_clip
from cgkit.translation.translator import Translator

SAMPLES = 16
"""Default number of frames of a video over which norm statistics are collected."""


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

    Sound and frame times are preserved. The codec and the pixel format are also preserved if FFmpeg can encode them.

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
        DataError: the file is not a readable video, its frames would get another size, PyAV is not
            installed, or the model's images are neither grey nor
            colour.
    """
    if {translator.in_channels, translator.out_channels} - {1, 3}:
        raise DataError(f"{source}: a model for videos must translate grey or colour images to grey or colour images")
    damaged = finished = 0
    with open_clip(source) as clip, replacing(target) as temporary:
        if translator.scaling.sizes(*clip.size)[1] != clip.size:
            raise DataError(f"{source}: videos keep their size", hint="translate it without --size and --max-side")
        statistics = _collect_statistics(translator, clip, samples) if samples else None
        written = replace(translator.target, depth="uint16" if clip.deep else "uint8", range=None)
        writer = ClipWriter(temporary, CONTAINERS[target.suffix.lower()], clip)
        complete = False
        try:
            frames = clip.frames(translator.in_channels, writer)
            while part := list(islice(frames, batch)):
                damaged += sum(frame is None or frame.damaged for frame in part)
                decoded = [frame for frame in part if frame is not None]
                for frame, image in zip(decoded, _translate(translator, decoded, statistics), strict=True):
                    writer.frame(to_values(image, written), frame)
                finished += len(part)
                progress(min(1.0, clip.share(finished)))
            complete = True
        finally:
            writer.close(complete=complete)
    return damaged


def _collect_statistics(translator: Translator, clip: Clip, samples: int) -> Statistics:
    statistics = Statistics()
    for frame in clip.samples(samples, translator.in_channels):
        with statistics.collecting():
            translator.translate_whole(_to_tensor(translator, frame)[None])
    return statistics


def _translate(translator: Translator, frames: list[Frame], statistics: Statistics | None) -> Iterator[Tensor]:
    if not frames:
        return
    images = torch.stack([_to_tensor(translator, frame) for frame in frames])
    for part in torch.split(images, len(images) if translator.takes_batches else 1):
        with nullcontext() if statistics is None else statistics.frozen():
            translations = translator.translate_whole(part)
        yield from translations


def _to_tensor(translator: Translator, frame: Frame) -> Tensor:
    height, width, channels = frame.values.shape
    layout: Layout = "grey" if channels == 1 else "colour"
    header = ImageHeader(width, height, channels, "video", frame.values.dtype.name, layout)
    return to_unit(frame.values, header, replace(translator.source, range=None))[0]
