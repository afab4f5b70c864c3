"""A translated video has translated frames; everything else is preserved."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.errors import DataError
from cgkit.translation.files import Skipped, translate_files
from cgkit.translation.scaling import Scaling
from cgkit.translation.video import translate_clip
from tests.translation.untrained import make_translator

TIMES = (0, 1, 2, 5, 6, 7, 8, 9)
"""The frames have different durations."""


def render_gradient(number: int, size: tuple[int, int]) -> np.ndarray:
    """Render colours that change slowly within the frame, and from frame to frame."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    planes = [rows * 2 + 40, columns * 2 + 20, np.full(size, 60 + 15 * number)]
    return np.stack(planes, -1).clip(0, 255).astype(np.uint8)


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a clip of a few frames, with a tone."""

    def make(
        name: str = "clip.mp4",
        *,
        codec: str = "libx264",
        pixels: str = "yuv420p",
        size: tuple[int, int] = (48, 64),
        sound: bool = True,
        colorspace: int | None = None,
        frames: Callable[[int, tuple[int, int]], np.ndarray] = render_gradient,
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
                samples = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
                samples.sample_rate, samples.pts = 16000, 0
                container.mux(audio.encode(samples))
                container.mux(audio.encode(None))
        return tmp_path / name

    return make


def read_video(file: Path) -> dict[str, Any]:
    """Return the properties, frames and sound of a video file."""
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
def test_frames_times_colours_and_sound_are_preserved(
    clip: Callable[..., Path], tmp_path: Path, options: dict[str, Any]
) -> None:
    source = clip(**options)
    (written,) = translate_files(make_translator(nn.Identity()), [source], tmp_path / "out")
    assert written == tmp_path / "out" / source.name
    before, after = read_video(source), read_video(written)
    frames = zip(before.pop("frames"), after.pop("frames"), strict=True)
    assert all(np.abs(first.astype(int) - second).mean() < 3 for first, second in frames)
    assert after == before
    assert len(after["sound"]) == 0 or len(after["sound"]) > 3


def test_ten_bits_are_preserved(clip: Callable[..., Path], tmp_path: Path) -> None:
    translate_clip(make_translator(nn.Identity()), clip(pixels="yuv420p10le"), tmp_path / "out.mp4")
    assert read_video(tmp_path / "out.mp4")["pixels"] == "yuv420p10le"


def test_a_grey_model_writes_a_grey_video(clip: Callable[..., Path], tmp_path: Path) -> None:
    translate_clip(make_translator(nn.Identity(), channels=1), clip(), tmp_path / "out.mp4")
    frame = read_video(tmp_path / "out.mp4")["frames"][0].astype(int)
    assert np.abs(frame - frame.mean(-1, keepdims=True)).max() < 6


def flicker(file: Path, corner: int) -> float:
    """Return how much the static lower right corner changes from frame to frame."""
    frames = np.stack([frame[corner:, corner:] for frame in read_video(file)["frames"]]).astype(float)
    return float(np.abs(np.diff(frames, axis=0)).mean())


def test_a_static_area_does_not_flicker_when_something_else_moves(clip: Callable[..., Path], tmp_path: Path) -> None:
    def render_passing_object(number: int, size: tuple[int, int]) -> np.ndarray:
        frame = render_gradient(0, size)
        if number % 2:
            frame[:24, :24] = 255
        return frame

    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=8, blocks=0, downsamplings=1)
    source = clip(frames=render_passing_object, size=(64, 64), pixels="yuv444p")
    for samples in (0, 8):
        translate_clip(make_translator(generator), source, tmp_path / f"{samples}.mp4", samples=samples)
    assert flicker(tmp_path / "8.mp4", 44) < 0.2 * flicker(tmp_path / "0.mp4", 44)


def test_videos_can_be_among_the_inputs_and_are_skipped_the_second_time(
    clip: Callable[..., Path], tmp_path: Path
) -> None:
    source = clip()
    inputs = [source, *(tmp_path / name for name in ("lost.mp4", "empty.mkv"))]
    inputs[2].write_bytes(b"not a video")
    shares: list[float] = []
    written, lost, empty = translate_files(
        make_translator(nn.Identity()),
        inputs,
        tmp_path / "out",
        suffix=".png",
        progress=lambda _, share: shares.append(share),
    )
    assert written == tmp_path / "out" / "clip.mp4"
    assert shares[-1] == 1
    assert isinstance(lost, DataError)
    assert isinstance(empty, DataError)
    assert f"{inputs[2]}: cannot be read as a video" in str(empty)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        *(".cgkit-translation.json", ".cgkit-translation.jsonl", "clip.mp4")
    ]
    second, *_ = translate_files(make_translator(nn.Identity()), inputs, tmp_path / "out")
    assert isinstance(second, Skipped)


@pytest.mark.parametrize("odd", [b"zzzz", b"jpeg", b"\0\0\0\0", b"mp4v"])
def test_a_video_of_an_odd_codec_does_not_end_the_batch(clip: Callable[..., Path], tmp_path: Path, odd: bytes) -> None:
    sources = [clip("odd.mp4"), clip("good.mp4")]
    content = sources[0].read_bytes()
    assert content.count(b"avc1") >= 1
    sources[0].write_bytes(content.replace(b"avc1", odd))
    first, second = translate_files(make_translator(nn.Identity()), sources, tmp_path / "out")
    assert isinstance(first, DataError)
    assert "odd.mp4" in str(first)
    assert second == tmp_path / "out" / "good.mp4"


def test_damaged_frames_are_reported_and_the_others_written(clip: Callable[..., Path], tmp_path: Path) -> None:
    source = clip("clip.mkv", sound=False)
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    source.write_bytes(content)
    (error,) = translate_files(make_translator(nn.Identity()), [source], tmp_path / "out")
    assert "damaged" in str(error)
    assert len(read_video(tmp_path / "out" / "clip.mkv")["frames"]) >= 4


def test_urls_in_a_playlist_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n")
    with pytest.raises(DataError, match="cannot be read as a video"):
        translate_clip(make_translator(nn.Identity()), tmp_path / "list.mp4", tmp_path / "out.mp4")


def test_a_model_of_bands_refuses_videos(clip: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="grey or colour"):
        translate_clip(make_translator(nn.Identity(), channels=5), clip(), tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_video_keeps_its_size_at_another_scale(clip: Callable[..., Path], tmp_path: Path) -> None:
    source, translator = clip(size=(48, 64)), make_translator(nn.Identity())
    translator.scaling = Scaling((0.5, 0.5))
    (written,) = translate_files(translator, [source], tmp_path / "half")
    assert isinstance(written, Path)
    assert read_video(written)["frames"][0].shape == (48, 64, 3)
    translator.scaling = Scaling((0.5, 0.5), own_size=False)
    (refused,) = translate_files(translator, [source], tmp_path / "scaled")
    assert "videos keep their size" in str(refused)
