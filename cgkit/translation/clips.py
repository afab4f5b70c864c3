"""Reading the frames of video files, and writing frames along with the sound of another video."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgkit.contracts import Size
from cgkit.errors import DataError
from cgkit.files.limits import check_size

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}
"""FFmpeg's names of the supported container formats, by suffix."""

_READABLE_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"
"""The formats that FFmpeg may read. Files in some other formats could make FFmpeg open arbitrary files and URLs."""

_ENCODERS = {
    "h264": ("libx264", {"crf": "17"}),
    "hevc": ("libx265", {"crf": "19", "x265-params": "log-level=error"}),
    "vp8": ("libvpx", {"crf": "8", "b": "8M"}),
    "vp9": ("libvpx-vp9", {"crf": "20", "b": "0"}),
    "av1": ("libsvtav1", {"crf": "22"}),
    "ffv1": ("ffv1", {}),
}
"""The encoder for each codec, with the encoder's options for nearly lossless quality."""

_FALLBACK_CODECS = {"webm": "vp9"}
_LAYOUTS = {(1, 1): "gray", (3, 1): "rgb24", (1, 2): "gray16le", (3, 2): "rgb48le"}
"""FFmpeg's name of an array's pixel format, by number of channels and bytes per value."""

_DEEP = ("10", "12", "14", "16")


@dataclass(frozen=True)
class Frame:
    """One frame of a clip.

    Attributes:
        values: `(H, W, C)`, upright, uint8 or uint16, grey or colour.
        time: the presentation time in units of the clip's time base, or None if unknown.
        lasts: the duration in the same units, or 0 if unknown.
        damaged: whether the frame could not be decoded correctly.
    """

    values: NDArray[Any]
    time: int | None
    lasts: int = 0
    damaged: bool = False

    def until(self, end: int | None) -> Frame:
        """Return the frame with a duration that ends at `end`: the durations stored in files are often wrong."""
        if end is None or self.time is None or end <= self.time:
            return self
        return replace(self, lasts=end - self.time)


def is_clip(path: Path) -> bool:
    """Return whether a file has the suffix of a video."""
    return path.suffix.lower() in CONTAINERS


class Clip:
    """An open video file.

    Attributes:
        size: height and width of the upright frames, in pixels.
        deep: whether the values of the frames have more than 8 bits.
        seconds: the duration in seconds, or 0 if unknown.
    """

    def __init__(self, container: Any, reopen: Callable[[], Any]) -> None:
        if not container.streams.video:
            raise DataError("contains no video")
        self._container = container
        self._reopen = reopen
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        context = self._stream.codec_context
        check_size(context.width, context.height)
        self.deep = str(context.pix_fmt).removesuffix("le").removesuffix("be").endswith(_DEEP)
        self.seconds = float((container.duration or 0) / 1_000_000)
        first = next((frame for frame in self._decode(container.demux(self._stream), []) if frame), None)
        if first is None:
            raise DataError("contains no frame")
        self._quarter_turns = round(first.rotation / 90) % 4
        self._colours = (first.colorspace, first.color_range)
        height, width = first.height, first.width
        self.size = (width, height) if self._quarter_turns % 2 else (height, width)

    def share(self, frames: int) -> float:
        """Return the fraction of the clip that `frames` frames make up, or 0 if the length of the clip is unknown."""
        total = self._stream.frames or float(self.seconds * (self._stream.average_rate or 0))
        return frames / total if total else 0.0

    def samples(self, count: int, channels: int) -> Iterator[Frame]:
        """Yield up to `count` frames, evenly spaced over the clip, in grey (1 channel) or colour (3 channels)."""
        start = self._stream.start_time or 0
        length = self._stream.duration or int(self.seconds / self._stream.time_base)
        for number in range(count):
            wanted = start + int(length * (number + 0.5) / count)
            self._container.seek(wanted, stream=self._stream)
            for frame in self._decode(self._container.demux(self._stream), []):
                if frame is not None and (frame.pts is None or frame.pts >= wanted):
                    yield self._to_frame(frame, channels)
                    break

    def frames(self, channels: int, writer: ClipWriter) -> Iterator[Frame | None]:
        """Yield all frames in order, or None for each frame that cannot be decoded; copy the sound to a writer.

        Args:
            channels: 1 for grey, 3 for colour.
            writer: the writer that receives the clip's sound.
        """
        # The file is opened again, because seeking to the beginning would lose sound before the first frame.
        with self._reopen() as container:
            video = container.streams.video[0]
            video.thread_type = "AUTO"
            previous: Frame | None = None
            for decoded in self._decode(container.demux(video, *container.streams.audio), [writer]):
                frame = None if decoded is None else self._to_frame(decoded, channels)
                if frame is None:
                    yield None
                    continue
                if previous is not None:
                    yield previous.until(frame.time)
                previous = frame
            if previous is not None:
                length = self._stream.duration
                yield previous.until(None if length is None else (self._stream.start_time or 0) + length)

    def _decode(self, packets: Iterator[Any], writers: Sequence[ClipWriter]) -> Iterator[Any]:
        for packet in packets:
            if packet.stream.type == "audio":
                for writer in writers:
                    writer.sound(packet)
                continue
            try:
                yield from packet.decode()
            except _av().error.InvalidDataError:
                yield None

    def _to_frame(self, frame: Any, channels: int) -> Frame:
        if (frame.height, frame.width) != (self.size[::-1] if self._quarter_turns % 2 else self.size):
            raise DataError("has frames of several sizes")
        pixel_format = _LAYOUTS[channels, 2 if self.deep else 1]
        color_range = {"src_color_range": frame.color_range} if frame.color_range else {}
        values = frame.reformat(format=pixel_format, **color_range).to_ndarray()
        values = values[..., None] if values.ndim == 2 else values
        return Frame(np.rot90(values, self._quarter_turns), frame.pts, damaged=bool(frame.is_corrupt))


class ClipWriter:
    """Writes a clip with the codec, pixel format, frame times and sound of another clip.

    Args:
        path: the file to write.
        container: FFmpeg's name of the container format.
        clip: the clip from which to take the codec, pixel format, frame times and sound.
    """

    def __init__(self, path: Path, container: str, clip: Clip) -> None:
        av = _av()
        self._clip = clip
        source = clip._stream
        self._output = av.open(str(path), "w", format=container)
        codec, options = _choose_encoder(source.codec_context.name, container)
        self._video = self._output.add_stream(codec, rate=source.average_rate or source.guessed_rate or 25)
        self._video.options = options
        self._video.height, self._video.width = clip.size
        self._video.pix_fmt = _choose_pixel_format(source.codec_context.pix_fmt, codec, clip.size)
        context = self._video.codec_context
        context.time_base = source.time_base
        context.flags |= av.codec.context.Flags.frame_duration  # preserves the duration of the last frame
        context.colorspace, context.color_range = clip._colours
        context.color_primaries, context.color_trc = (
            source.codec_context.color_primaries,
            source.codec_context.color_trc,
        )
        if codec not in {name for name, _ in _ENCODERS.values()} and source.codec_context.bit_rate:
            context.bit_rate = 2 * source.codec_context.bit_rate
        self._sounds = {
            stream.index: self._output.add_stream_from_template(stream) for stream in clip._container.streams.audio
        }

    def frame(self, values: NDArray[Any], like: Frame) -> None:
        """Write a frame with these values, `(H, W, C)` in uint8 or uint16, and the time and duration of `like`."""
        flat = values[..., 0] if values.shape[-1] == 1 else values
        frame = _av().VideoFrame.from_ndarray(
            np.ascontiguousarray(flat), format=_LAYOUTS[values.shape[-1], values.dtype.itemsize]
        )
        colorspace, color_range = self._clip._colours
        colours = {"dst_colorspace": colorspace, "dst_color_range": color_range}
        frame = frame.reformat(format=self._video.pix_fmt, **{name: value for name, value in colours.items() if value})
        frame.pts, frame.duration, frame.time_base = like.time, like.lasts, self._clip._stream.time_base
        self._output.mux(self._video.encode(frame))

    def sound(self, packet: Any) -> None:
        """Write a packet of encoded sound from the other clip unchanged."""
        if packet.dts is not None:
            packet.stream = self._sounds[packet.stream.index]
            self._output.mux(packet)

    def close(self, *, complete: bool) -> None:
        """Close the file; if `complete`, first flush the frames still buffered in the encoder."""
        if complete:
            self._output.mux(self._video.encode(None))
        self._output.close()


@contextmanager
def open_clip(path: Path) -> Iterator[Clip]:
    """Open a video file; errors of FFmpeg are raised as `DataError`.

    Raises:
        DataError: the file is not a video, is damaged, or has an unsupported format; or PyAV is not installed.
    """
    av = _av()
    try:
        reopen = partial(
            av.open, str(path), options={"protocol_whitelist": "file", "format_whitelist": _READABLE_FORMATS}
        )
        with reopen() as container:
            yield Clip(container, reopen)
    except DataError as error:
        raise DataError(f"{path}: {error.message}", hint=error.hint) from error
    except (av.error.FFmpegError, av.error.ArgumentError) as error:
        raise DataError(f"{path}: cannot be read as a video: {error.strerror or error}") from error


def _choose_encoder(codec: str, container: str) -> tuple[str, dict[str, str]]:
    available = _av().codecs_available
    name, options = _ENCODERS.get(codec, (codec, {}))
    if name in available:
        try:
            _av().Codec(name, "w")
            return name, options
        except ValueError:
            pass  # FFmpeg can decode this codec, but not encode it
    return _ENCODERS[_FALLBACK_CODECS.get(container, "h264")]


def _choose_pixel_format(wanted: str, codec: str, size: Size) -> str:
    supported = {pixel_format.name for pixel_format in _av().Codec(codec, "w").video_formats or ()}
    name = wanted if wanted in supported else "yuv420p"
    subsampled = any(part in name for part in ("420", "422", "411", "410"))
    return "yuv444p" if subsampled and (size[0] % 2 or size[1] % 2) and "yuv444p" in supported else name


def _av() -> Any:
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise DataError("videos need PyAV", hint='pip install "cgkit[video]"') from error


__all__ = ["CONTAINERS", "Clip", "ClipWriter", "Frame", "is_clip", "open_clip"]
