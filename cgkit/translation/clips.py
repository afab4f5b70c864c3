"""Video files: their frames as arrays, and frames with the sound of another file written as one."""

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

from cgkit.errors import DataError
from cgkit.images.limits import check_size

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}
"""FFmpeg's names of the formats that are read and written, by suffix."""

_READ = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"
"""What is let in. Other formats are lists of files and addresses, which FFmpeg would open."""

_ENCODERS = {
    "h264": ("libx264", {"crf": "17"}),
    "hevc": ("libx265", {"crf": "19", "x265-params": "log-level=error"}),
    "vp8": ("libvpx", {"crf": "8", "b": "8M"}),
    "vp9": ("libvpx-vp9", {"crf": "20", "b": "0"}),
    "av1": ("libsvtav1", {"crf": "22"}),
    "ffv1": ("ffv1", {}),
}
"""By what a file is decoded with: what encodes it, nearly without loss."""

_OTHERWISE = {"webm": "vp9"}
_LAYOUTS = {(1, 1): "gray", (3, 1): "rgb24", (1, 2): "gray16le", (3, 2): "rgb48le"}
"""By channels and bytes a value, the pixel format of arrays."""

_DEEP = ("10", "12", "14", "16")


@dataclass(frozen=True)
class Frame:
    """One picture of a clip.

    Attributes:
        values: `(H, W, C)`, upright, uint8 or uint16, grey or colour.
        time: when it is shown, in units of the clip's own.
        lasts: for how long, likewise, or 0 where that is not known.
        damaged: whether it could not be decoded as it was meant.
    """

    values: NDArray[Any]
    time: int | None
    lasts: int = 0
    damaged: bool = False

    def until(self, end: int | None) -> Frame:
        """Return the frame, shown until then; what a file says of how long frames last is often that of others."""
        if end is None or self.time is None or end <= self.time:
            return self
        return replace(self, lasts=end - self.time)


def is_clip(path: Path) -> bool:
    """Return whether a file is one, by its suffix."""
    return path.suffix.lower() in CONTAINERS


class Clip:
    """An open video file.

    Attributes:
        size: height and width of its frames, upright.
        deep: whether its values have more than 8 bits.
        seconds: how long it is, or 0 where that is not known.
    """

    def __init__(self, container: Any, reopened: Callable[[], Any]) -> None:
        if not container.streams.video:
            raise DataError("holds no video")
        self._container = container
        self._reopened = reopened
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        context = self._stream.codec_context
        check_size(context.width, context.height)
        self.deep = str(context.pix_fmt).removesuffix("le").removesuffix("be").endswith(_DEEP)
        self.seconds = float((container.duration or 0) / 1_000_000)
        first = next((frame for frame in self._decoded(container.demux(self._stream), []) if frame), None)
        if first is None:
            raise DataError("holds no frame")
        self._turns = round(first.rotation / 90) % 4
        self._colours = (first.colorspace, first.color_range)
        height, width = first.height, first.width
        self.size = (width, height) if self._turns % 2 else (height, width)

    def share(self, frames: int) -> float:
        """Return which share of the clip so many frames are, as far as that is known."""
        total = self._stream.frames or float(self.seconds * (self._stream.average_rate or 0))
        return frames / total if total else 0.0

    def samples(self, count: int, channels: int) -> Iterator[Frame]:
        """Yield up to so many frames that are spread over the clip."""
        start = self._stream.start_time or 0
        length = self._stream.duration or int(self.seconds / self._stream.time_base)
        for number in range(count):
            wanted = start + int(length * (number + 0.5) / count)
            self._container.seek(wanted, stream=self._stream)
            for frame in self._decoded(self._container.demux(self._stream), []):
                if frame is not None and (frame.pts is None or frame.pts >= wanted):
                    yield self._frame(frame, channels)
                    break

    def frames(self, channels: int, writer: ClipWriter) -> Iterator[Frame | None]:
        """Yield all frames in order, None for one that is lost; what is heard goes to the writer.

        Args:
            channels: 1 for grey, 3 for colour.
            writer: what the clip's sound is written to.
        """
        # From a fresh start: going back to it would lose sound that begins before the first frame.
        with self._reopened() as container:
            video = container.streams.video[0]
            video.thread_type = "AUTO"
            before: Frame | None = None
            for decoded in self._decoded(container.demux(video, *container.streams.audio), [writer]):
                frame = None if decoded is None else self._frame(decoded, channels)
                if frame is None:
                    yield None
                    continue
                if before is not None:
                    yield before.until(frame.time)
                before = frame
            if before is not None:
                length = self._stream.duration
                yield before.until(None if length is None else (self._stream.start_time or 0) + length)

    def _decoded(self, packets: Iterator[Any], writers: Sequence[ClipWriter]) -> Iterator[Any]:
        for packet in packets:
            if packet.stream.type == "audio":
                for writer in writers:
                    writer.sound(packet)
                continue
            try:
                yield from packet.decode()
            except _av().error.InvalidDataError:
                yield None

    def _frame(self, frame: Any, channels: int) -> Frame:
        if (frame.height, frame.width) != (self.size[::-1] if self._turns % 2 else self.size):
            raise DataError("has frames of several sizes")
        kind = _LAYOUTS[channels, 2 if self.deep else 1]
        ranged = {"src_color_range": frame.color_range} if frame.color_range else {}
        values = frame.reformat(format=kind, **ranged).to_ndarray()
        values = values[..., None] if values.ndim == 2 else values
        return Frame(np.rot90(values, self._turns), frame.pts, damaged=bool(frame.is_corrupt))


class ClipWriter:
    """Writes frames as a clip that looks and sounds like another: its codec, pixel format, times and sound.

    Args:
        path: the file.
        container: FFmpeg's name of the format.
        clip: what it shall be like.
    """

    def __init__(self, path: Path, container: str, clip: Clip) -> None:
        av = _av()
        self._clip = clip
        source = clip._stream
        self._output = av.open(str(path), "w", format=container)
        codec, options = _encoder(source.codec_context.name, container)
        self._video = self._output.add_stream(codec, rate=source.average_rate or source.guessed_rate or 25)
        self._video.options = options
        self._video.height, self._video.width = clip.size
        self._video.pix_fmt = _pixel_format(source.codec_context.pix_fmt, codec, clip.size)
        context = self._video.codec_context
        context.time_base = source.time_base
        context.flags |= av.codec.context.Flags.frame_duration  # so that the last frame lasts as long as it did
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
        """Write `(H, W, C)`, grey or colour, uint8 or uint16, to be shown when the other one is."""

        flat = values[..., 0] if values.shape[-1] == 1 else values
        made = _av().VideoFrame.from_ndarray(
            np.ascontiguousarray(flat), format=_LAYOUTS[values.shape[-1], values.dtype.itemsize]
        )
        colorspace, color_range = self._clip._colours
        wanted = {"dst_colorspace": colorspace, "dst_color_range": color_range}
        made = made.reformat(format=self._video.pix_fmt, **{name: value for name, value in wanted.items() if value})
        made.pts, made.duration, made.time_base = like.time, like.lasts, self._clip._stream.time_base
        self._output.mux(self._video.encode(made))

    def sound(self, packet: Any) -> None:
        """Write a packet of sound as it is."""
        if packet.dts is not None:
            packet.stream = self._sounds[packet.stream.index]
            self._output.mux(packet)

    def close(self, *, complete: bool) -> None:
        """End the file."""
        if complete:
            self._output.mux(self._video.encode(None))
        self._output.close()


@contextmanager
def open_clip(path: Path) -> Iterator[Clip]:
    """Yield a video file; whatever goes wrong while it is used is a `DataError`.

    Raises:
        DataError: it is no video, is damaged, or is of a format that is not let in; or PyAV is missing.
    """
    av = _av()
    try:
        opened = partial(av.open, str(path), options={"protocol_whitelist": "file", "format_whitelist": _READ})
        with opened() as container:
            yield Clip(container, opened)
    except DataError as error:
        raise DataError(f"{path}: {error.message}", hint=error.hint) from error
    except (av.error.FFmpegError, av.error.ArgumentError) as error:
        raise DataError(f"{path}: cannot be read as a video: {error.strerror or error}") from error


def _encoder(codec: str, container: str) -> tuple[str, dict[str, str]]:
    available = _av().codecs_available
    name, options = _ENCODERS.get(codec, (codec, {}))
    if name in available:
        try:
            _av().Codec(name, "w")
            return name, options
        except ValueError:
            pass  # it only decodes
    return _ENCODERS[_OTHERWISE.get(container, "h264")]


def _pixel_format(wanted: str, codec: str, size: tuple[int, int]) -> str:
    known = {one.name for one in _av().Codec(codec, "w").video_formats or ()}
    name = wanted if wanted in known else "yuv420p"
    halved = any(part in name for part in ("420", "422", "411", "410"))
    return "yuv444p" if halved and (size[0] % 2 or size[1] % 2) and "yuv444p" in known else name


def _av() -> Any:
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise DataError("videos need PyAV", hint='pip install "cgkit[video]"') from error


__all__ = ["CONTAINERS", "Clip", "ClipWriter", "Frame", "is_clip", "open_clip"]
