"""Reading the frames of video files, and what else the files say."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgkit.errors import CgkitError, DataError
from cgkit.files.limits import check_size
from cgkit.files.reading import reason, require_regular
from cgkit.translation.planes import Colours, import_av

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}
"""FFmpeg's names of the supported container formats, by suffix."""

_READABLE_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"
"""The formats that FFmpeg may read. Files in some other formats could make FFmpeg open arbitrary files and URLs."""


@dataclass(frozen=True)
class Frame:
    """One frame of a clip.

    Attributes:
        values: `(H, W, C)`, upright, float32 from 0 for black to 1 for white: grey or RGB, with alpha if it has one.
        time: the presentation time in units of the clip's time base, or None if unknown.
        lasts: the duration in the same units, or 0 if unknown.
        damaged: whether the frame could not be decoded correctly.
    """

    values: NDArray[np.float32]
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
        container: the file, as PyAV opens it.
        stream: the video stream to translate: the first that is not a cover picture.
        first: the first frame, as PyAV decodes it.
        colours: how the frames represent colours.
        size: height and width of the upright frames, in pixels.
        pixel_aspect: width of an upright pixel divided by its height.
        side_data: names of what is attached to the frames read so far, such as closed captions.
    """

    def __init__(self, container: Any, reopen: Callable[[], Any]) -> None:
        self.container, self._reopen = container, reopen
        self.stream, self._decoder = _open_decoder(container)
        self.side_data: set[str] = set()
        check_size(self._decoder.width, self._decoder.height)
        first = next((frame for frame in self._decode(container.demux(self.stream), self._decoder) if frame), None)
        if first is None:
            raise DataError("contains no frame")
        self.first = first
        self.colours = Colours.of(first)
        self._turn = _turn_of(first)
        self.size = (first.width, first.height) if self._turn[0] else (first.height, first.width)
        aspect = self.stream.sample_aspect_ratio or self.stream.codec_context.sample_aspect_ratio or Fraction(1)
        self.pixel_aspect = 1 / aspect if self._turn[0] else aspect
        self._seconds = float((container.duration or 0) / 1_000_000)

    def share(self, frames: int) -> float:
        """Return the fraction of the clip that `frames` frames make up, or 0 if the length of the clip is unknown."""
        total = self.stream.frames or float(self._seconds * (self.stream.average_rate or 0))
        return frames / total if total else 0.0

    def samples(self, count: int) -> Iterator[Frame]:
        """Yield up to `count` frames, evenly spaced over the clip."""
        start = self.stream.start_time or 0
        length = self.stream.duration or int(self._seconds / self.stream.time_base)
        for number in range(count):
            wanted = start + int(length * (number + 0.5) / count)
            self.container.seek(wanted, stream=self.stream)
            self._decoder.flush_buffers()
            for frame in self._decode(self.container.demux(self.stream), self._decoder):
                if frame is not None and (frame.pts is None or frame.pts >= wanted):
                    yield self._to_frame(frame, frame.pts)
                    break

    def frames(self, copy: Callable[[Any], None]) -> Iterator[Frame | None]:
        """Yield all frames in order, or None for each frame that cannot be decoded.

        Args:
            copy: receives the packets of all other streams, such as sound.
        """
        # The file is opened again, because seeking to the beginning would lose sound before the first frame.
        with self._reopen() as container:
            stream, decoder = _open_decoder(container)
            times: deque[int | None] = deque()
            previous: Frame | None = None
            for decoded in self._decode(_pick(container.demux(), stream, copy, times), decoder):
                # AVI stores no presentation times: frames are shown one after the other, in the times of the packets.
                time = times.popleft() if self.container.format.name == "avi" and times else getattr(decoded, "pts", 0)
                if decoded is None:
                    yield None
                    continue
                frame = self._to_frame(decoded, time)
                if previous is not None:
                    yield previous.until(frame.time)
                previous = frame
            if previous is not None:
                length = self.stream.duration
                yield previous.until(None if length is None else (self.stream.start_time or 0) + length)

    def _decode(self, packets: Iterator[Any], decoder: Any) -> Iterator[Any]:
        for packet in packets:
            try:
                for frame in decoder.decode(packet):
                    self.side_data.update(data.type.name for data in frame.side_data)
                    yield frame
            except import_av().error.InvalidDataError:
                yield None

    def _to_frame(self, frame: Any, time: int | None) -> Frame:
        if (frame.height, frame.width) != (self.first.height, self.first.width):
            raise DataError("has frames of several sizes")
        values = self.colours.to_rgb(frame)
        swapped, rows, columns = self._turn
        values = (values.swapaxes(0, 1) if swapped else values)[::rows, ::columns]
        return Frame(values, time, damaged=bool(frame.is_corrupt))


@contextmanager
def open_clip(path: Path) -> Iterator[Clip]:
    """Open a video file; errors of FFmpeg are raised as `DataError`.

    Raises:
        DataError: the file is not a video, is damaged, or has an unsupported format; or PyAV is not installed.
    """
    av = import_av()
    reopen = partial(av.open, str(path), options={"protocol_whitelist": "file", "format_whitelist": _READABLE_FORMATS})
    with ExitStack() as opened, _faults_explained(path, av.error.FFmpegError):
        with _faults_explained(path, Exception):  # FFmpeg and PyAV do not document what odd files make them raise
            require_regular(path)  # FFmpeg would wait for what comes through a pipe
            clip = Clip(opened.enter_context(reopen()), reopen)
        yield clip


@contextmanager
def _faults_explained(path: Path, kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        message = error.message if error.message.startswith(f"{path}: ") else f"{path}: {error.message}"
        raise DataError(message, hint=error.hint) from error
    except CgkitError:
        raise
    except kind as error:
        if type(error) is MemoryError:  # FFmpeg's own, of another type, may be due to a size in a damaged file
            raise
        raise DataError(f"{path}: cannot be read as a video: {reason(error)}") from error


def _open_decoder(container: Any) -> tuple[Any, Any]:
    """Return the video stream and its decoder. FFmpeg's own decoder of VP8 and VP9 would ignore alpha."""
    covers = import_av().stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & covers]
    if not streams:
        raise DataError("contains no video")
    decoder = streams[0].codec_context
    if decoder is None:
        raise DataError("has a video codec that this FFmpeg cannot read")
    if "alpha_mode" in map(str.lower, streams[0].metadata) and decoder.name in ("vp8", "vp9"):
        size = decoder.width, decoder.height
        decoder = import_av().CodecContext.create({"vp8": "libvpx", "vp9": "libvpx-vp9"}[decoder.name], "r")
        decoder.width, decoder.height = size
    decoder.thread_type = "AUTO"
    return streams[0], decoder


def _pick(packets: Iterator[Any], stream: Any, copy: Callable[[Any], None], times: deque[int | None]) -> Iterator[Any]:
    """Yield the packets of a stream and note their times; pass on those of other streams."""
    for packet in packets:
        if packet.stream.index != stream.index:
            copy(packet)
            continue
        if packet.size:
            times.append(packet.dts)
        yield packet


def _turn_of(frame: Any) -> tuple[bool, int, int]:
    """Return how to put a frame upright: whether to swap its axes, and then the steps along both axes, 1 or -1."""
    stored = [data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"]
    a, b, _, c, d, *_ = np.frombuffer(stored[0], np.int32).tolist() if stored else (1, 0, 0, 0, 1)
    return (
        (True, 1 if b >= 0 else -1, 1 if c >= 0 else -1)
        if abs(b) > abs(a)
        else (False, 1 - 2 * (d < 0), 1 - 2 * (a < 0))
    )
