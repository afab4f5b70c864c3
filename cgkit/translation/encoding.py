"""Choosing how to encode a video, by trying what comes closest to its source first."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from cgkit.errors import DataError
from cgkit.translation.clips import Clip
from cgkit.translation.planes import Colours, import_av, planar

_ENCODERS: dict[str, dict[str, dict[str, str]]] = {
    "h264": {"libx264": {"crf": "17"}, "libx264rgb": {"crf": "17"}},
    "hevc": {"libx265": {"crf": "19", "x265-params": "log-level=error"}},
    "vp8": {"libvpx": {"crf": "8", "b": "8M", "auto-alt-ref": "0"}},
    "vp9": {"libvpx-vp9": {"crf": "20", "b": "0"}},
    "av1": {"libsvtav1": {"crf": "22"}},
    "prores": {"prores_ks": {}},
    "dnxhd": {"dnxhd": {}},
}
"""The encoders for each codec, with each encoder's options for nearly lossless quality."""

_FINE = {"flags": "+qscale", "global_quality": "236"}
"""The options of all other encoders: twice the finest step of those that lose anything."""

_FALLBACKS = {"webm": ("vp9", "vp8")}


@dataclass(frozen=True)
class Encoding:
    """How to encode a video.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        options: the encoder's options.
        pixels: FFmpeg's name of the pixel format.
        colours: how its frames represent colours.
        tags: what says so to players, by its name in PyAV.
        counts: whether the encoder takes the number of each frame instead of its time.
    """

    encoder: str
    options: dict[str, str]
    pixels: str
    colours: Colours
    tags: dict[str, int]
    counts: bool = False

    def add_to(self, output: Any, clip: Clip) -> Any:
        """Add a video stream to an output container, with the colours, pixel aspect and times of a clip."""
        source = clip.stream
        stream = output.add_stream(self.encoder, rate=source.average_rate or source.guessed_rate or 25)
        stream.options = dict(self.options)
        stream.height, stream.width = clip.size
        stream.pix_fmt = self.pixels
        context = stream.codec_context
        if not self.counts:
            context.time_base = source.time_base
            context.flags |= import_av().codec.context.Flags.frame_duration  # preserves the last frame's duration
        if self.counts or output.format.name == "avi":
            context.max_b_frames = 0  # the order of packets is that of frames
        if self.encoder == "dnxhd" and source.codec_context.bit_rate:
            context.bit_rate = 5_000_000 * round(source.codec_context.bit_rate / 5_000_000)
        if self.encoder == "libx265" and source.codec_context.name == "hevc" and output.format.name in ("mp4", "mov"):
            context.codec_tag = source.codec_context.codec_tag  # Apple's players need hvc1
        context.sample_aspect_ratio = clip.pixel_aspect
        for name, value in self.tags.items():
            setattr(context, name, value)
        return stream


def choose_encoding(clip: Clip, container: str, channels: int) -> Encoding:
    """Return the first encoding that works: the clip's own codec and pixel format, or else the closest.

    Args:
        clip: the video to be translated.
        container: FFmpeg's name of the container format to write.
        channels: number of channels of the translation, 1 or 3.

    Raises:
        DataError: this FFmpeg cannot write any video into the container.
    """
    own = clip.stream.codec_context.codec.canonical_name
    layout = clip.first.format
    wanted = planar(layout).replace("gray", "yuv420p") if channels == 3 else planar(layout)
    # Some encoders refuse subsampled chroma for odd sizes.
    names = [wanted, re.sub("4[124][0-3]p", "444p", wanted)]
    if wanted == planar(layout) and not layout.has_palette:
        names.insert(0, layout.name)
    for codec in dict.fromkeys((own, *_FALLBACKS.get(container, ("h264", "mpeg4")))):
        profile = clip.stream.codec_context.profile if codec == own else None
        for encoder, options, pixels in _encoders(codec, names, profile or ""):
            # MPEG-2 and some others know few time bases, but their packets need no times.
            for (colours, tags), counts in product(_colours(clip, pixels), (False, True)):
                encoding = Encoding(encoder, options, pixels, colours, tags, counts)
                if _works(encoding, clip, container):
                    return encoding
    raise DataError(f"this FFmpeg can write neither {own} nor another codec into {container}")


def _encoders(codec: str, names: list[str], profile: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield the encoders of a codec, with options and pixel formats; first those that lose least."""
    av = import_av()
    profiles = {"dnxhd": profile.lower().replace(" ", "_"), "prores_ks": profile.lower().replace("xq", "4444xq")}
    encoders = _ENCODERS.get(codec, {codec: _FINE})
    losses: dict[tuple[str, str], int] = {}
    for encoder in encoders:
        try:
            supported = [layout.name for layout in av.Codec(encoder, "w").video_formats or ()]
        except ValueError:
            continue  # FFmpeg can decode this codec, but not encode it
        for name in names:
            pixels, loss = av.codec.codec.find_best_pix_fmt_of_list(supported, name, True)
            losses.setdefault((encoder, pixels.name if pixels else name), loss)
    for encoder, pixel_format in sorted(losses, key=lambda choice: losses[choice]):
        profiled = {"profile": profiles[encoder]} if profiles.get(encoder) else {}
        yield encoder, {**encoders[encoder], **profiled}, pixel_format


def _colours(clip: Clip, pixels: str) -> Iterator[tuple[Colours, dict[str, int]]]:
    """Yield how a pixel format can represent colours, and the tags that say so; first that of the clip."""
    first, assumed = clip.first, Colours.assumed(clip.first)
    layout = import_av().VideoFormat(pixels)
    tags = {"color_primaries": first.color_primaries, "color_trc": first.color_trc}
    if layout.is_rgb:
        yield Colours(0, full=True), tags
        return
    grey = len(layout.components) == 1
    own = replace(clip.colours, matrix=0 if grey else clip.colours.matrix or assumed.matrix)
    if own == clip.colours and pixels == first.format.name:
        yield own, {**tags, "colorspace": first.colorspace, "color_range": first.color_range}
    yield own, {**tags, "colorspace": own.matrix or 2, "color_range": 2 if own.full else 1}
    # MP4 and MOV store a range only along with all other tags. Their numbers agree, except for BT.2020's curve.
    usual = {"color_primaries": own.matrix or 1, "color_trc": 14 if own.matrix == 9 else own.matrix or 1}
    complete = {name: usual[name] if value == 2 else value for name, value in tags.items()}
    yield own, {**complete, "colorspace": own.matrix or 1, "color_range": 2 if own.full else 1}
    yield assumed, {**tags, "colorspace": assumed.matrix, "color_range": 1}


def _works(encoding: Encoding, clip: Clip, container: str) -> bool:
    """Return whether a frame can be encoded and put into the container, and still has its colours there."""
    av = import_av()
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=container) as output:
            stream = encoding.add_to(output, clip)
            grey = np.full((stream.height, stream.width, 1), 0.5, np.float32)
            frame = encoding.colours.from_rgb(grey, encoding.pixels, None)
            frame.pts, frame.time_base = 0, 1 / stream.codec_context.framerate
            output.mux([*stream.encode(frame), *stream.encode(None)])
        with av.open(io.BytesIO(file.getvalue())) as written:
            codec = written.streams.video[0].codec_context.codec.canonical_name
            colours = Colours.of(next(written.decode(video=0)))
            return bool(codec == av.Codec(encoding.encoder, "w").canonical_name and colours == encoding.colours)
    except (ValueError, StopIteration, av.error.FFmpegError):
        return False
