"""A video comes back as a video: its frames translated, everything else as it was."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.engine.precision import Precision
from cgkit.errors import DataError
from cgkit.models.info import ModelInfo
from cgkit.plugins import load_plugins
from cgkit.spec import resolve_spec
from cgkit.translation.files import Skipped, translate_files
from cgkit.translation.translator import Translator
from cgkit.translation.video import translate_clip


class Same(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images


def translator(generator: nn.Module, channels: int = 3) -> Translator:
    spec = resolve_spec(
        {"data": {"source": "seasons", "size": 16, "channels": channels}}, load_plugins(installed=False)
    )
    return Translator(generator, ModelInfo(spec, 0, False), "a2b", Precision("fp32", torch.device("cpu")))


TIMES = (0, 1, 2, 5, 6, 7, 8, 9)
"""Not all frames are shown equally long."""


def smooth(number: int, size: tuple[int, int]) -> np.ndarray:
    """Colours that change slowly across the frame, and from one to the next."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    planes = [rows * 2 + 40, columns * 2 + 20, np.full(size, 60 + 15 * number)]
    return np.stack(planes, -1).clip(0, 255).astype(np.uint8)


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip of a few frames, with a tone."""

    def make(
        name: str = "clip.mp4",
        *,
        codec: str = "libx264",
        pixels: str = "yuv420p",
        size: tuple[int, int] = (48, 64),
        sound: bool = True,
        colorspace: int | None = None,
        frames: Callable[[int, tuple[int, int]], np.ndarray] = smooth,
    ) -> Path:
        with av.open(str(tmp_path / name), "w") as container:
            video = container.add_stream(codec, rate=Fraction(25))
            video.height, video.width, video.pix_fmt = *size, pixels
            video.options = {"crf": "4"}
            if colorspace:
                video.codec_context.colorspace = colorspace
            audio = container.add_stream("aac", rate=16000, layout="mono") if sound else None
            for number, time in enumerate(TIMES):
                frame = av.VideoFrame.from_ndarray(frames(number, size), format="rgb24")
                frame = frame.reformat(format=pixels, **({"dst_colorspace": colorspace} if colorspace else {}))
                frame.pts, frame.time_base = time, Fraction(1, 25)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            if audio is not None:
                tone = (np.sin(np.arange(6400) * 0.2) * 8000).astype(np.int16)[None]
                heard = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
                heard.sample_rate, heard.pts = 16000, 0
                container.mux(audio.encode(heard))
                container.mux(audio.encode(None))
        return tmp_path / name

    return make


def told(file: Path) -> dict[str, Any]:
    """What a file says of itself, and what it holds."""
    with av.open(str(file)) as container:
        video = container.streams.video[0]
        about: dict[str, Any] = {
            "format": container.format.name,
            "codec": video.codec_context.name,
            "pixels": video.codec_context.pix_fmt,
            "colours": video.codec_context.colorspace,
            "rate": video.average_rate,
        }
        about["sound"] = [bytes(p) for p in container.demux(audio=0) if p.size] if container.streams.audio else []
    with av.open(str(file)) as container:
        frames = list(container.decode(video=0))
        about["times"] = [frame.time for frame in frames]
        about["frames"] = [frame.to_ndarray(format="rgb24") for frame in frames]
    return about


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"colorspace": 1},
        {"name": "clip.mkv", "pixels": "yuv444p", "size": (33, 47)},
        {"name": "clip.mov", "sound": False},
        {"name": "clip.webm", "codec": "libvpx-vp9", "sound": False},
    ],
    ids=["mp4", "bt709", "mkv of odd size", "mov without sound", "webm"],
)
def test_frames_times_colours_and_sound_stay_as_they_were(
    clip: Callable[..., Path], tmp_path: Path, options: dict[str, Any]
) -> None:
    source = clip(**options)
    (written,) = translate_files(translator(Same()), [source], tmp_path / "out")
    assert written == tmp_path / "out" / source.name
    before, after = told(source), told(written)
    frames = zip(before.pop("frames"), after.pop("frames"), strict=True)
    assert all(np.abs(one.astype(int) - other).mean() < 3 for one, other in frames)
    assert after == before
    assert len(after["sound"]) == 0 or len(after["sound"]) > 3


def test_values_of_ten_bits_stay_ten_bits(clip: Callable[..., Path], tmp_path: Path) -> None:
    translate_clip(translator(Same()), clip(pixels="yuv420p10le"), tmp_path / "out.mp4")
    assert told(tmp_path / "out.mp4")["pixels"] == "yuv420p10le"


def test_a_grey_model_makes_a_grey_video(clip: Callable[..., Path], tmp_path: Path) -> None:
    translate_clip(translator(Same(), channels=1), clip(), tmp_path / "out.mp4")
    frame = told(tmp_path / "out.mp4")["frames"][0].astype(int)
    assert np.abs(frame - frame.mean(-1, keepdims=True)).max() < 6


def flicker(file: Path, corner: int) -> float:
    """How much the lower right corner, in which nothing happens, changes from frame to frame."""
    frames = np.stack([frame[corner:, corner:] for frame in told(file)["frames"]]).astype(float)
    return float(np.abs(np.diff(frames, axis=0)).mean())


def test_what_stands_still_does_not_flicker_when_something_else_moves(
    clip: Callable[..., Path], tmp_path: Path
) -> None:
    def something_passes(number: int, size: tuple[int, int]) -> np.ndarray:
        frame = smooth(0, size)
        if number % 2:
            frame[:24, :24] = 255
        return frame

    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=8, blocks=0, downsamplings=1)
    source = clip(frames=something_passes, size=(64, 64), pixels="yuv444p")
    for samples in (0, 8):
        translate_clip(translator(generator), source, tmp_path / f"{samples}.mp4", samples=samples)
    assert flicker(tmp_path / "8.mp4", 44) < 0.2 * flicker(tmp_path / "0.mp4", 44)


def test_a_video_is_translated_once_and_beside_images(clip: Callable[..., Path], tmp_path: Path) -> None:
    source = clip()
    inputs = [source, *(tmp_path / name for name in ("lost.mp4", "empty.mkv"))]
    inputs[2].write_bytes(b"nothing of the kind")
    shares: list[float] = []
    written, lost, empty = translate_files(
        translator(Same()), inputs, tmp_path / "out", suffix=".png", progress=lambda _, share: shares.append(share)
    )
    assert written == tmp_path / "out" / "clip.mp4"
    assert shares[-1] == 1
    assert isinstance(lost, DataError)
    assert isinstance(empty, DataError)
    assert f"{inputs[2]}: cannot be read as a video" in str(empty)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [".cgkit-translation.json", "clip.mp4"]
    again, *_ = translate_files(translator(Same()), inputs, tmp_path / "out")
    assert isinstance(again, Skipped)


def test_damaged_frames_are_told_and_the_others_written(clip: Callable[..., Path], tmp_path: Path) -> None:
    source = clip("clip.mkv", sound=False)
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    source.write_bytes(content)
    (error,) = translate_files(translator(Same()), [source], tmp_path / "out")
    assert "damaged" in str(error)
    assert len(told(tmp_path / "out" / "clip.mkv")["frames"]) >= 4


def test_a_list_of_other_files_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n")
    with pytest.raises(DataError, match="cannot be read as a video"):
        translate_clip(translator(Same()), tmp_path / "list.mp4", tmp_path / "out.mp4")


def test_a_model_of_bands_translates_no_video(clip: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="grey or colour"):
        translate_clip(translator(Same(), channels=5), clip(), tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
