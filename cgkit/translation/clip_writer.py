"""Writing frames as a video, along with everything else that another video contains."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgkit.errors import DataError
from cgkit.translation.clips import Clip, Frame
from cgkit.translation.differences import about
from cgkit.translation.encoding import choose_encoding
from cgkit.translation.planes import import_av


class ClipWriter:
    """Writes a clip with the codec, pixel format, colours, frame times, metadata and other streams of another clip.

    Args:
        path: the file to write.
        container: FFmpeg's name of the container format.
        clip: the clip from which to take all that.
        channels: number of channels of the frames, 1 or 3.

    Attributes:
        dropped: the numbers of those other streams that the container cannot hold.
    """

    def __init__(self, path: Path, container: str, clip: Clip, channels: int) -> None:
        self._clip = clip
        self._encoding = choose_encoding(clip, container, channels)
        # Without this option, names such as com.apple.quicktime.make are lost; with it, many players see no title.
        flags = {"movflags": "use_metadata_tags"} if any("." in name for name in clip.container.metadata) else {}
        options = flags if container in ("mp4", "mov") else {}
        self._output = import_av().open(str(path), "w", format=container, container_options=options)
        self._output.metadata.update(about(clip.container))
        self._output.set_chapters(clip.container.chapters())
        self._streams: dict[int, Any] = {}
        self._counted: deque[Frame] = deque()
        for stream in clip.container.streams:
            if stream.index == clip.stream.index:
                copy = self._encoding.add_to(self._output, clip)
            elif _holds(container, stream):
                copy = self._output.add_stream_from_template(stream)
            else:
                continue
            copy.metadata.update(about(stream))
            copy.disposition = stream.disposition
            self._streams[stream.index] = copy
        self._video = self._streams[clip.stream.index]
        with self._writing():
            self._output.start_encoding()
        self.dropped = {stream.index for stream in clip.container.streams} - set(self._streams)

    def frame(self, values: NDArray[np.float32], like: Frame, alpha: NDArray[np.float32] | None = None) -> None:
        """Write a frame with the time and duration of `like`.

        Args:
            values: the frame, `(H, W, C)` from 0 to 1, grey or RGB.
            like: the frame of the other clip.
            alpha: the alpha channel, `(H, W)` from 0 to 1; by default the frame is opaque.
        """
        frame = self._encoding.colours.from_rgb(values, self._encoding.pixels, alpha)
        if self._encoding.counts:
            frame.pts, frame.time_base = None, 1 / self._video.codec_context.framerate
            self._counted.append(like)
        else:
            frame.pts, frame.duration, frame.time_base = like.time, like.lasts, self._clip.stream.time_base
        self._encode(frame)

    def copy(self, packet: Any) -> None:
        """Write a packet of another stream of the clip unchanged."""
        if packet.size and packet.stream.index in self._streams:
            packet.stream = self._streams[packet.stream.index]
            if packet.dts is None:  # a cover picture
                packet.pts = packet.dts = packet.pts or 0
            with self._writing():
                self._output.mux(packet)

    def close(self, *, complete: bool) -> None:
        """Close the file; if `complete`, first flush the frames still buffered in the encoder."""
        if complete:
            self._encode(None)
        self._output.close()

    def _encode(self, frame: Any) -> None:
        with self._writing():
            for packet in self._video.encode(frame):
                if self._counted:
                    like = self._counted.popleft()
                    packet.time_base = self._clip.stream.time_base
                    packet.pts, packet.dts, packet.duration = like.time, like.time, like.lasts
                self._output.mux(packet)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except import_av().error.FFmpegError as error:
            raise DataError(f"cannot be written as {self._output.format.name}: {error.strerror}") from error


def _holds(container: str, stream: Any) -> bool:
    """Return whether a container format can hold a stream that is not changed."""
    av = import_av()
    if stream.type == "data" and "timecode" in stream.metadata:
        return False  # FFmpeg writes it again, from the metadata of the video stream
    try:
        with av.open(io.BytesIO(), "w", format=container) as output:
            output.add_stream_from_template(stream)
            output.start_encoding()
    except (ValueError, av.error.FFmpegError):
        return False
    return True
