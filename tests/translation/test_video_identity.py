"""With a generator that returns its input, a translated video equals its source, or a warning says what differs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cgkit.translation.planes import Colours
from cgkit.translation.video import translate_clip
from tests.translation.untrained import make_translator

BT709, BT601, BT2020 = 1, 6, 9
LIMITED, FULL = 1, 2
VIDEO = Colours(BT601, False)

OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder", "software", "ENCODER"}


def render(number: int, height: int, width: int) -> np.ndarray:
    """Render colours that every pixel format can hold, with alpha."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [0.35 + rows / 400, 0.4 + columns / 500, np.full((height, width), 0.5 + number / 50), columns / width]
    return np.stack(planes, -1).astype(np.float32)


def make_clip(
    path: Path,
    codec: str,
    pixels: str,
    *,
    size: tuple[int, int] = (64, 96),
    container: str | None = None,
    options: dict[str, str] | None = None,
    colours: Colours = VIDEO,
    tags: dict[str, Any] | None = None,
    sound: Sequence[str] = (),
    subtitles: Sequence[str] = (),
    metadata: dict[str, str] | None = None,
    chapters: Sequence[str] = (),
    font: bool = False,
    cover: bool = False,
    turn: tuple[Any, ...] = (),
) -> Path:
    """Write a clip of 6 frames."""
    flags = {"movflags": "use_metadata_tags"} if metadata and any("." in name for name in metadata) else {}
    with av.open(str(path), "w", format=container, container_options=flags) as file:
        video = file.add_stream(codec, rate=25, options=options or {})
        video.height, video.width, video.pix_fmt = *size, pixels
        for name, value in (tags or {}).items():
            setattr(video.codec_context, name, value)
        if turn:
            video.set_display_rotation(*turn)
        streams = [file.add_stream(name, rate=48000, layout="mono") for name in sound]
        texts = [file.add_stream(name) for name in subtitles]
        for stream, language in zip((*streams, *texts), ("deu", "fra", "spa"), strict=False):
            stream.metadata["language"] = language
        for text in texts:
            text.codec_context.subtitle_header = b"[Script Info]\n\n[V4+ Styles]\nFormat: Name\n"
        file.metadata.update(metadata or {})
        file.set_chapters(
            [
                {"id": n, "start": 50 * n, "end": 50 * n + 50, "time_base": Fraction(1, 1000), "metadata": {"title": t}}
                for n, t in enumerate(chapters)
            ]
        )
        if font:
            file.add_attachment("a.ttf", "application/x-truetype-font", b"font" * 20)
        if cover:
            picture = file.add_stream("png", rate=1)
            picture.height, picture.width, picture.pix_fmt = 16, 16, "rgb24"
            picture.disposition = Disposition.attached_pic
            file.mux([*picture.encode(av.VideoFrame(16, 16, "rgb24")), *picture.encode(None)])
        for number in range(6):
            values = render(number, *size)
            frame = colours.from_rgb(values[..., :3], pixels, values[..., 3])
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        for stream in streams:
            tone = (np.sin(np.arange(9600) * 0.2) * 8000).astype(np.int16)[None]
            samples = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            samples.sample_rate, samples.pts = 48000, 0
            file.mux([*stream.encode(samples), *stream.encode(None)])
        for text in texts:
            packet = av.Packet(b"\x00\x05hello" if text.codec_context.name == "mov_text" else b"hello")
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts, packet.dts, packet.duration = 40, 40, 100
            file.mux(packet)
    return path


def translate(source: Path, *, channels: int = 3) -> tuple[Path, list[str]]:
    """Translate a clip; return the file and what the warning says."""
    target = source.parent / "out" / source.name
    target.parent.mkdir(exist_ok=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert translate_clip(make_translator(nn.Identity(), channels=channels), source, target, samples=0) == 0
    assert len(caught) <= 1, "one warning for each file"
    texts = [str(warning.message).removeprefix(f"{target}: ") for warning in caught]
    return target, [part for text in texts for part in text.split("; ")]


def read(path: Path) -> dict[str, Any]:
    """Return what a player reads from a video."""
    with av.open(str(path)) as file:
        video = file.streams.video[0]
        context = video.codec_context
        about = {
            "format": file.format.name,
            "codec": context.codec.canonical_name,
            "pixel format": context.pix_fmt,
            "pixel aspect": video.sample_aspect_ratio or Fraction(1),
            "curves": [context.color_primaries, context.color_trc],
            "metadata": {name: text for name, text in file.metadata.items() if name not in OF_THE_FILE},
            "streams": [(stream.type, stream.metadata.get("language")) for stream in file.streams],
            "chapters": [(chapter["metadata"]["title"], chapter["start"]) for chapter in file.chapters()],
        }
        frames = list(file.decode(video=0))
        about["times"] = [frame.time for frame in frames]
        about["colours"] = Colours.of(frames[0])
    with av.open(str(path)) as file:
        others = [stream for stream in file.streams if stream.type in ("audio", "subtitle")]
        packets = [packet for packet in file.demux(others) if packet.size] if others else []
        about["packets"] = sorted((packet.stream.index, packet.pts, bytes(packet)) for packet in packets)
    return about


def planes(path: Path) -> list[np.ndarray]:
    """Return the stored values of all frames."""
    with av.open(str(path)) as file:
        return [np.concatenate([np.frombuffer(plane, np.uint8) for plane in f.planes]) for f in file.decode(video=0)]


LOSSLESS = {
    "ffv1 yuv420p": ("a.mkv", "ffv1", "yuv420p", Colours(BT601, False)),
    "ffv1 yuv422p10le": ("a.mkv", "ffv1", "yuv422p10le", Colours(BT601, False)),
    "ffv1 yuv444p12le, full range, BT.2020": ("a.mkv", "ffv1", "yuv444p12le", Colours(BT2020, True)),
    "ffv1 yuv420p10le, full range, BT.709": ("a.mkv", "ffv1", "yuv420p10le", Colours(BT709, True)),
    "ffv1 yuv420p, full range": ("a.mkv", "ffv1", "yuv420p", Colours(BT709, True)),
    "ffv1 yuva420p": ("a.mkv", "ffv1", "yuva420p", Colours(BT601, False)),
    "ffv1 yuv411p": ("a.avi", "ffv1", "yuv411p", Colours(BT601, False)),
    "ffv1 gbrp10le": ("a.mkv", "ffv1", "gbrp10le", Colours(0, True)),
    "ffv1 bgra": ("a.avi", "ffv1", "bgra", Colours(0, True)),
    "utvideo yuv422p": ("a.avi", "utvideo", "yuv422p", Colours(BT601, False)),
    "png rgba": ("a.mov", "png", "rgba", Colours(0, True)),
    "png rgb48be": ("a.mov", "png", "rgb48be", Colours(0, True)),
    "qtrle argb": ("a.mov", "qtrle", "argb", Colours(0, True)),
    "v210": ("a.mov", "v210", "yuv422p10le", Colours(BT601, False)),
    "uyvy422": ("a.mov", "rawvideo", "uyvy422", Colours(BT601, False)),
}


@pytest.mark.parametrize("case", LOSSLESS.values(), ids=LOSSLESS)
def test_every_value_of_a_lossless_clip_is_the_same(case: tuple[str, str, str, Colours], tmp_path: Path) -> None:
    name, codec, pixels, colours = case
    tags = (
        {} if colours.matrix == 0 else {"colorspace": colours.matrix, "color_range": FULL if colours.full else LIMITED}
    )
    source = make_clip(tmp_path / name, codec, pixels, colours=colours, tags=tags)
    opaque = not av.VideoFormat(pixels).components[-1].is_alpha
    target, told = translate(source)
    assert told == []
    assert read(target) == read(source)
    if opaque:  # the colours of transparent pixels become those of the background
        assert all(np.array_equal(*pair) for pair in zip(planes(source), planes(target), strict=True))


APPLE = {"com.apple.quicktime.make": "Apple", "creation_time": "2020-01-02T03:04:05.000000Z"}
PLACE = {"title": "Sea", "location": "+48.1000+011.5000/", "creation_time": "2020-01-02T03:04:05.000000Z"}
WIDE = {"sample_aspect_ratio": Fraction(128, 117)}
HDR = {"colorspace": BT2020, "color_primaries": 9, "color_trc": 16, "color_range": LIMITED}
SILENT = {"x265-params": "log-level=error"}

CASES: dict[str, tuple[str, str, str, dict[str, Any], list[str]]] = {
    "h264 in mp4": ("a.mp4", "libx264", "yuv420p", {"sound": ["aac", "aac"], "metadata": PLACE, "tags": WIDE}, []),
    "h264 in m4v, subtitles": ("a.m4v", "libx264", "yuv420p", {"sound": ["aac"], "subtitles": ["mov_text"]}, []),
    "h264 in mp4, chapters": ("a.mp4", "libx264", "yuv420p", {"chapters": ["one", "two"], "sound": ["aac"]}, []),
    "h264 in mp4, cover": ("a.mp4", "libx264", "yuv420p", {"cover": True}, []),
    "h264 in mp4, full range": ("a.mp4", "libx264", "yuvj420p", {"colours": Colours(BT601, True)}, []),
    "h264 in avi": ("a.avi", "libx264", "yuv420p", {"sound": ["mp2"], "options": {"bf": "0"}}, []),
    "h264 in mkv, everything": (
        "a.mkv",
        "libx264",
        "yuv422p10le",
        {
            "sound": ["aac", "pcm_s16le"],
            "subtitles": ["subrip"],
            "metadata": {"title": "Sea", "DIRECTOR": "Me"},
            "chapters": ["one", "two"],
            "font": True,
            "tags": {"colorspace": BT709, "color_primaries": 1, "color_trc": 1, "color_range": LIMITED},
            "colours": Colours(BT709, False),
        },
        [],
    ),
    "h264 rgb in mkv": ("a.mkv", "libx264rgb", "rgb24", {"colours": Colours(0, True)}, []),
    "hevc hdr in mov": (
        "a.mov",
        "libx265",
        "yuv420p10le",
        {"tags": HDR, "metadata": APPLE, "options": SILENT, "colours": Colours(BT2020, False), "sound": ["aac"]},
        [],
    ),
    "vp8 with alpha in webm": ("a.webm", "libvpx", "yuva420p", {"options": {"auto-alt-ref": "0"}}, []),
    "vp9 with alpha in webm": ("a.webm", "libvpx-vp9", "yuva420p", {"sound": ["libopus"]}, []),
    "vp9 of odd size in mkv": ("a.mkv", "libvpx-vp9", "yuv420p", {"size": (63, 95)}, []),
    "mpeg-2 in mkv": ("a.mkv", "mpeg2video", "yuv420p", {"sound": ["mp2"], "tags": WIDE}, []),
    "mpeg-4 in avi": ("a.avi", "mpeg4", "yuv420p", {"metadata": {"title": "Sea"}}, []),
    "mpeg-4 in mp4, full range": (
        "a.mp4",
        "mpeg4",
        "yuv420p",
        {
            "tags": {"color_range": FULL, "colorspace": BT601, "color_primaries": 6, "color_trc": 6},
            "colours": Colours(BT601, True),
        },
        [],
    ),
    "motion jpeg in avi": ("a.avi", "mjpeg", "yuvj422p", {"colours": Colours(BT601, True), "sound": ["pcm_s16le"]}, []),
    "prores 4444 with alpha": ("a.mov", "prores_ks", "yuva444p10le", {"sound": ["pcm_s16le"]}, []),
    "dnxhr hqx": ("a.mov", "dnxhd", "yuv422p10le", {"size": (256, 512), "options": {"profile": "dnxhr_hqx"}}, []),
    "h264 in webm": ("a.webm", "libx264", "yuv420p", {"container": "matroska"}, ["codec is vp9, not h264"]),
    "subtitles that mp4 cannot hold": (
        "a.mp4",
        "libx264",
        "yuv420p",
        {"container": "matroska", "subtitles": ["subrip"]},
        ["subtitle stream 1 (subrip) is lost"],
    ),
    "alpha that mp4 cannot hold": (
        "a.mp4",
        "ffv1",
        "yuva420p",
        {"container": "matroska", "metadata": {"DIRECTOR": "Me"}},
        ['metadata "director" is lost'],
    ),
    "hdr with mastering data": (
        "a.mp4",
        "libx265",
        "yuv420p10le",
        {
            "tags": HDR,
            "colours": Colours(BT2020, False),
            "options": {
                "x265-params": "log-level=error:hdr10=1:max-cll=1000,400:master-display="
                "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
            },
        },
        ["content light level is lost", "mastering display metadata is lost"],
    ),
    "interlaced frames": (
        "a.mp4",
        "libx264",
        "yuv420p",
        {"options": {"flags": "+ildct", "x264-params": "tff=1"}},
        ["interlacing is lost"],
    ),
    "time code": ("a.mov", "libx264", "yuv420p", {"metadata": {"timecode": "01:00:00:00"}, "sound": ["aac"]}, []),
    "grey with a colour model": ("a.mkv", "ffv1", "gray", {}, ["pixel format is yuv420p, not gray"]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_clip_is_kept_or_the_warning_lists_what_is_not(
    case: tuple[str, str, str, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    name, codec, pixels, options, expected = case
    source = make_clip(tmp_path / name, codec, pixels, **options)
    target, told = translate(source)
    assert told == expected
    before, after = read(source), read(target)
    if not expected:
        assert after == before
    assert after["times"] == before["times"]


def test_av1_stays_av1(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", "libsvtav1", "yuv420p10le", size=(128, 128))
    target, told = translate(source)
    assert told == []
    assert read(target) == read(source)


@pytest.mark.parametrize("turn", [(90,), (180,), (270,), (0, True), (90, True), (0, False, True)])
def test_turned_and_mirrored_clips_are_written_upright(turn: tuple[Any, ...], tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mov", "png", "rgb24", colours=Colours(0, True), turn=turn, tags=WIDE)
    target, told = translate(source)
    assert told == []
    quarter = turn[0] in (90, 270)
    with av.open(str(source)) as before, av.open(str(target)) as after:
        shown = [show_upright(frame) for frame in before.decode(video=0)]
        written = [frame.to_ndarray(format="rgb24") for frame in after.decode(video=0)]
        assert after.streams.video[0].sample_aspect_ratio == (Fraction(117, 128) if quarter else Fraction(128, 117))
    assert all(np.array_equal(*pair) for pair in zip(shown, written, strict=True))


def show_upright(frame: av.VideoFrame) -> np.ndarray:
    """Return what FFmpeg's documentation of the display matrix says is shown: each pixel is moved by the matrix."""
    a, b, _, c, d, *_ = (value // 65536 for value in np.frombuffer(frame.side_data["DISPLAYMATRIX"], np.int32).tolist())
    pixels = frame.to_ndarray(format="rgb24")
    rows, columns = np.mgrid[0 : frame.height, 0 : frame.width]
    x, y = a * columns + c * rows, b * columns + d * rows
    shown = np.empty((int(np.ptp(y)) + 1, int(np.ptp(x)) + 1, 3), np.uint8)
    shown[y - y.min(), x - x.min()] = pixels
    return shown


def test_frames_of_h264_in_avi_keep_their_order(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.avi", "libx264", "yuv420p", options={"bf": "2", "b-pyramid": "none"})
    target, _ = translate(source)
    with av.open(str(target)) as file:
        blue = [frame.to_ndarray(format="rgb24")[..., 2].mean() for frame in file.decode(video=0)]
    assert len(blue) == 6
    assert blue == sorted(blue)


def test_a_grey_model_writes_a_grey_clip_with_the_clips_colours(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", "ffv1", "gray10le", colours=Colours(0, True))
    target, told = translate(source, channels=1)
    assert told == []
    assert all(np.array_equal(*pair) for pair in zip(planes(source), planes(target), strict=True))


PIXEL_FORMATS = ("yuv420p", "yuv422p", "yuv444p", "yuv410p", "nv12", "yuyv422", "yuv420p10le", "p010le", "yuv444p16le")
OF_EVEN_SIZES = ("nv12", "yuyv422", "p010le")


@settings(max_examples=40, deadline=None)
@given(
    pixels=st.sampled_from(PIXEL_FORMATS),
    matrix=st.sampled_from([BT709, 4, BT601, 7, BT2020]),
    full=st.booleans(),
    height=st.integers(8, 40),
    width=st.integers(8, 40),
    seed=st.integers(0, 99),
)
def test_converting_to_rgb_and_back_changes_no_value(
    pixels: str, matrix: int, full: bool, height: int, width: int, seed: int
) -> None:
    if pixels in OF_EVEN_SIZES:
        height, width = height - height % 2, width - width % 2
    colours = Colours(matrix, full)
    noise = np.random.default_rng(seed).uniform(0.45, 0.55, (height, width, 3)).astype(np.float32)
    frame = colours.from_rgb(noise, pixels, None)
    again = colours.from_rgb(colours.to_rgb(frame), pixels, None)
    assert np.array_equal(colours.to_rgb(again), colours.to_rgb(frame))
    assert np.abs(colours.to_rgb(frame) - noise).mean() < 0.05
