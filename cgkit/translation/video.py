"""Translating videos frame by frame, with norms that do not flicker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from cgkit.errors import DataError
from cgkit.files.atomic import replacing
from cgkit.images.header import ImageHeader, Layout
from cgkit.images.pixels import to_unit, to_values
from cgkit.tiling.norm_statistics import Statistics
from cgkit.translation.clips import CONTAINERS, Clip, ClipWriter, Frame, open_clip
from cgkit.translation.translator import Translator

SAMPLES = 16
"""How many frames the statistics are taken from."""


def translate_clip(
    translator: Translator,
    source: Path,
    target: Path,
    *,
    samples: int = SAMPLES,
    batch: int = 4,
    progress: Callable[[float], None] = lambda share: None,
) -> int:
    """Translate a video file into another, all or nothing; sound, times, codec and pixel format stay as they are.

    Args:
        translator: of grey or colour images.
        source: the file.
        target: the other, with a suffix of `CONTAINERS`.
        samples: from how many frames, spread over the clip, the norms take the statistics that they use for all; with
            0, each frame has its own, and so every frame's colours depend on what else is to be seen in it.
        batch: how many frames go through the generator together.
        progress: is told the share that is done.

    Returns:
        how many frames were damaged: they were translated as far as they could be decoded, or left out.

    Raises:
        DataError: the file is no video, or the model is not one of grey or colour.
    """
    if {translator.in_channels, translator.out_channels} - {1, 3}:
        raise DataError(f"{source}: the model does not translate grey or colour, which is what videos hold")
    damaged = done = 0
    with open_clip(source) as clip, replacing(target) as temporary:
        statistics = _statistics(translator, clip, samples) if samples else None
        written = replace(translator.target, depth="uint16" if clip.deep else "uint8", range=None)
        writer = ClipWriter(temporary, CONTAINERS[target.suffix.lower()], clip)
        complete = False
        try:
            frames = clip.frames(translator.in_channels, writer)
            while part := list(islice(frames, batch)):
                damaged += sum(frame is None or frame.damaged for frame in part)
                shown = [frame for frame in part if frame is not None]
                for frame, values in zip(shown, _translated(translator, shown, statistics), strict=True):
                    writer.frame(to_values(values, written), frame)
                done += len(part)
                progress(min(1.0, clip.share(done)))
            complete = True
        finally:
            writer.close(complete=complete)
    return damaged


def _statistics(translator: Translator, clip: Clip, samples: int) -> Statistics:
    statistics = Statistics()
    for frame in clip.samples(samples, translator.in_channels):
        with statistics.collecting():
            translator.translate_whole(_tensor(translator, frame)[None])
    return statistics


def _translated(translator: Translator, frames: list[Frame], statistics: Statistics | None) -> Iterator[Tensor]:
    if not frames:
        return
    images = torch.stack([_tensor(translator, frame) for frame in frames])
    for part in torch.split(images, len(images) if translator.takes_batches else 1):
        with nullcontext() if statistics is None else statistics.frozen():
            translations = translator.translate_whole(part)
        yield from translations


def _tensor(translator: Translator, frame: Frame) -> Tensor:
    height, width, channels = frame.values.shape
    layout: Layout = "grey" if channels == 1 else "colour"
    header = ImageHeader(width, height, channels, "video", frame.values.dtype.name, layout)
    return to_unit(frame.values, header, replace(translator.source, range=None))[0]
