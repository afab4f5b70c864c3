"""Slides are translated from disk to disk, in windows, into pyramids with the size of their pixels."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from .conftest import RESNET, option

Cli = Callable[..., tuple[int, str]]
Model = Callable[..., Path]

DRAWS = np.random.default_rng(0)
APERIO = "Aperio Image Library v12\r\n700x600 [0,0 700x600] (240x240)|AppMag = 20|MPP = 0.4990|User = Jane Doe"
SMOOTH = np.stack([np.add.outer(np.arange(600), np.arange(700)) // 8 % 200 + at for at in (1, 20, 40)], -1)
IMAGE: NDArray[np.uint8] = (SMOOTH + DRAWS.integers(0, 15, SMOOTH.shape)).astype(np.uint8)

pytestmark = pytest.mark.filterwarnings("always::cgkit.errors.CgkitWarning")


def write_svs(file: Path, image: NDArray[np.uint8] = IMAGE, **options: Any) -> Path:
    """Write a slide as Aperio does: levels, a thumbnail, and pictures of the label and the whole glass."""
    file.parent.mkdir(parents=True, exist_ok=True)
    tiles = {"tile": (240, 240), "photometric": "rgb", "metadata": None, **options}
    small = {"photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(file) as writer:
        writer.write(image, description=APERIO, **tiles)
        writer.write(image[::8, ::8], description="Aperio Image Library v12\r\nthumbnail", **small)
        writer.write(np.ascontiguousarray(image[::4, ::4]), description="Aperio Image Library v12\r\nlevel", **tiles)
        writer.write(np.full((80, 60, 3), 77, np.uint8), subfiletype=1, description="Aperio\r\nlabel 60x80", **small)
        writer.write(np.full((80, 200, 3), 99, np.uint8), subfiletype=9, description="Aperio\r\nmacro 200x80", **small)
    return file


def levels_of(file: Path) -> list[NDArray[Any]]:
    with tifffile.TiffFile(file) as opened:
        assert opened.is_ome
        assert len(opened.series) == 1
        return [level.asarray() for level in opened.series[0].levels]


def pixels_of(file: Path) -> dict[str, Any]:
    with tifffile.TiffFile(file) as opened:
        pixels = tifffile.xml2dict(opened.ome_metadata or "")["OME"]["Image"]["Pixels"]
        assert isinstance(pixels, dict)
        return pixels


def test_a_slide_becomes_a_pyramid_with_the_size_of_its_pixels(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    slide = write_svs(tmp_path / "in" / "x.svs")
    code, messages = cgkit("translate", model(3), slide, "--output", "out")
    assert code == 0, messages
    target = Path("out/x.ome.tif")
    levels = levels_of(target)
    assert [level.shape for level in levels] == [(600, 700, 3), (300, 350, 3)]
    assert np.array_equal(levels[0], IMAGE)
    means = IMAGE.reshape(300, 2, 350, 2, 3).mean((1, 3))
    assert np.abs(levels[1] - means).max() <= 0.5
    assert pixels_of(target)["PhysicalSizeX"] == pixels_of(target)["PhysicalSizeY"] == 0.499
    with tifffile.TiffFile(target) as file:
        assert file.pages.first.is_tiled
        assert file.pages.first.compression != 1
        assert file.pages.first.get_resolution("micrometer")[0] == pytest.approx(1 / 0.499)


def test_pictures_of_the_label_are_never_copied(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    slide = write_svs(tmp_path / "in" / "x.svs")
    code, messages = cgkit("translate", model(3), slide, "--output", "out")
    assert code == 0, messages
    assert "its thumbnail, label, macro pictures are not copied" in messages
    with tifffile.TiffFile("out/x.ome.tif") as file:
        assert len(file.pages) == 1
    content = Path("out/x.ome.tif").read_bytes()
    assert b"Jane" not in content
    assert b"Aperio" not in content


@pytest.mark.parametrize(
    ("chosen", "factor"), [({"level": 1}, 4), ({"mpp": 2.0}, 4), ({"mpp": 0.5}, 1), ({"mpp": 0.3}, 1)]
)
def test_a_level_is_chosen_by_its_number_or_by_the_size_of_its_pixels(
    cgkit: Cli, model: Model, tmp_path: Path, chosen: dict[str, Any], factor: int
) -> None:
    slide = write_svs(tmp_path / "in" / "x.svs")
    code, messages = cgkit("translate", model(3, more=option("slide", **chosen)), slide, "--output", "out")
    assert code == 0, messages
    assert np.array_equal(levels_of(Path("out/x.ome.tif"))[0], IMAGE[::factor, ::factor])
    assert pixels_of(Path("out/x.ome.tif"))["PhysicalSizeX"] == pytest.approx(0.499 * factor)
    assert ("its nearest level has 0.499 micrometres per pixel, not 0.3" in messages) == (chosen == {"mpp": 0.3})


@pytest.mark.parametrize("level", [0, 1])
def test_a_region_is_given_in_pixels_of_the_largest_level(cgkit: Cli, model: Model, tmp_path: Path, level: int) -> None:
    slide = write_svs(tmp_path / "in" / "x.svs")
    run = model(3, more=option("slide", level=level, region=[100, 240, 520, 40]))
    code, messages = cgkit("translate", run, slide, "--output", "out")
    assert code == 0, messages
    step = 4**level
    assert np.array_equal(levels_of(Path("out/x.ome.tif"))[0], IMAGE[240:280:step, 100:620:step])


def test_windows_give_the_result_of_the_whole_slide(
    cgkit: Cli, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slide = write_svs(tmp_path / "in" / "x.svs")
    run = model(3, generator=RESNET)
    assert cgkit("translate", run, slide, "--output", "whole")[0] == 0
    monkeypatch.setattr("cgkit.translation.wholes.AT_ONCE", 1000)
    assert cgkit("translate", run, slide, "--output", "windows", "--tile", "256")[0] == 0
    monkeypatch.setattr("cgkit.translation.wholes.EXACT", 1000)
    monkeypatch.setattr("cgkit.tiling.sampled_windows.SIDE", 256)
    assert cgkit("translate", run, slide, "--output", "sampled")[0] == 0
    whole, windows, sampled = (
        levels_of(Path(folder, "x.ome.tif"))[0].astype(int) for folder in ("whole", "windows", "sampled")
    )
    assert (whole != IMAGE).mean() > 0.5
    assert np.abs(whole - windows).max() <= 1
    assert np.abs(whole - sampled).max() <= 1


def write_ome(file: Path, image: NDArray[Any], **options: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(file, ome=True) as writer:
        metadata = options.pop("metadata", {})
        writer.write(image, subifds=1, tile=(128, 128), metadata=metadata, **options)
        half = image[..., ::2, ::2] if options["photometric"] == "minisblack" else image[::2, ::2]
        writer.write(np.ascontiguousarray(half), subfiletype=1, tile=(128, 128), **options)


def test_a_fluorescence_slide_keeps_the_names_of_its_channels(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    image = np.ascontiguousarray(IMAGE.transpose(2, 0, 1)[:2]).astype(np.uint16)
    said = {"axes": "CYX", "PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 650}
    said |= {"PhysicalSizeYUnit": "nm", "Channel": {"Name": ["DAPI", "GFP"]}}
    write_ome(tmp_path / "in" / "x.ome.tif", image, photometric="minisblack", metadata=said)
    code, messages = cgkit("translate", model(2, depth="uint16"), "in", "--output", "out")
    assert code == 0, messages
    levels = levels_of(Path("out/x.ome.tif"))
    assert np.array_equal(levels[0], image)
    assert levels[1].shape == (2, 300, 350)
    pixels = pixels_of(Path("out/x.ome.tif"))
    assert pixels["PhysicalSizeX"] == pytest.approx(0.65)
    assert [channel["Name"] for channel in pixels["Channel"]] == ["DAPI", "GFP"]


def test_channels_of_a_fluorescence_slide_can_be_selected(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    image = np.ascontiguousarray(IMAGE.transpose(2, 0, 1))
    said = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP", "Cy5"]}}
    write_ome(tmp_path / "in" / "x.ome.tif", image, photometric="minisblack", metadata=said)
    code, messages = cgkit("translate", model(2, more=option("slide", select=[3, 1])), "in", "--output", "out")
    assert code == 0, messages
    assert "1 of its channels is left out" in messages
    assert np.array_equal(levels_of(Path("out/x.ome.tif"))[0], image[[2, 0]])
    assert [channel["Name"] for channel in pixels_of(Path("out/x.ome.tif"))["Channel"]] == ["Cy5", "DAPI"]


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "zlib", "lzw", None])
def test_tiles_are_read_in_every_compression(cgkit: Cli, model: Model, tmp_path: Path, compression: str | None) -> None:
    slide = write_svs(tmp_path / "in" / "x.svs", compression=compression)
    code, messages = cgkit("translate", model(3), slide, "--output", "out")
    assert code == 0, messages
    with tifffile.TiffFile(slide) as file:
        expected = file.series[0].asarray()
    assert np.array_equal(levels_of(Path("out/x.ome.tif"))[0], expected)


def test_luma_and_chroma_of_aperio_become_colour(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    red, green, blue = (SMOOTH[..., channel].astype(float) for channel in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    stored = np.stack([luma, 128 + (blue - luma) / 1.772, 128 + (red - luma) / 1.402], -1).round().astype(np.uint8)
    slide = tmp_path / "in" / "x.svs"
    slide.parent.mkdir()

    def tiles() -> Iterator[bytes]:
        for top in range(0, 600, 240):
            for left in range(0, 700, 240):
                tile = stored[top : top + 240, left : left + 240]
                below, right = 240 - tile.shape[0], 240 - tile.shape[1]
                yield imagecodecs.jpeg2k_encode(
                    np.pad(tile, ((0, below), (0, right), (0, 0))), level=0, mct=False, codecformat="j2k"
                )

    with tifffile.TiffWriter(slide) as writer:
        writer.write(
            tiles(),
            shape=stored.shape,
            dtype="uint8",
            tile=(240, 240),
            photometric="rgb",
            compression=33003,
            description=APERIO,
            metadata=None,
        )
    code, messages = cgkit("translate", model(3), slide, "--output", "out")
    assert code == 0, messages
    assert np.abs(levels_of(Path("out/x.ome.tif"))[0].astype(int) - SMOOTH).max() <= 2


def test_a_plain_pyramid_is_a_slide_and_its_own_tiff_suffix_stays(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with tifffile.TiffWriter(tmp_path / "in" / "x.tif") as writer:
        tiles = {"tile": (128, 128), "photometric": "rgb", "metadata": None}
        writer.write(IMAGE, resolution=(20_000, 20_000), resolutionunit="CENTIMETER", **tiles)
        writer.write(np.ascontiguousarray(IMAGE[::2, ::2]), subfiletype=1, **tiles)
    code, messages = cgkit("translate", model(3), "in", "--output", "out")
    assert code == 0, messages
    assert np.array_equal(levels_of(Path("out/x.tif"))[0], IMAGE)
    assert pixels_of(Path("out/x.tif"))["PhysicalSizeX"] == 0.5


def test_other_tiffs_are_no_slides(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "x.tif", IMAGE, photometric="rgb", tile=(128, 128))
    assert cgkit("translate", model(3), "in", "--output", "out")[0] == 0
    with tifffile.TiffFile("out/x.tif") as file:
        assert not file.is_ome
        assert np.array_equal(file.asarray(), IMAGE)


def test_large_translations_are_bigtiff(
    cgkit: Cli, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slide = write_svs(tmp_path / "in" / "x.svs")
    monkeypatch.setattr("cgkit_microscopy.pyramid.LARGEST", 1000)
    code, messages = cgkit("translate", model(3), slide, "--output", "out")
    assert code == 0, messages
    with tifffile.TiffFile("out/x.ome.tif") as file:
        assert file.is_bigtiff


def test_jpeg_is_written_if_the_spec_says_so(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    slide = write_svs(tmp_path / "in" / "x.svs")
    code, messages = cgkit("translate", model(3, more=option("slide", quality=90)), slide, "--output", "out")
    assert code == 0, messages
    assert np.abs(levels_of(Path("out/x.ome.tif"))[0].astype(int) - IMAGE).mean() < 4
    with tifffile.TiffFile("out/x.ome.tif") as file:
        assert file.pages.first.compression == 7


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"level": 2}, "has 2 levels, so there is no level 2"),
        ({"region": [600, 0, 101, 10]}, "has 700 x 600 pixels, so the region [600, 0, 101, 10] is not inside"),
        ({"region": [0, 0, 0, 10]}, "is not inside"),
        ({"select": [2]}, "has 1 channel in pages of their own, so there is no 2"),
    ],
)
def test_parts_that_do_not_exist_are_refused(
    cgkit: Cli, model: Model, tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    slide = write_svs(tmp_path / "in" / "x.svs")
    code, messages = cgkit("translate", model(3, more=option("slide", **options)), slide, "--output", "out")
    assert code == 3
    assert reason in messages
    assert not list(Path("out").glob("*.tif"))


def test_pixels_of_unknown_size_cannot_be_chosen_by_size(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    write_ome(tmp_path / "in" / "x.ome.tif", IMAGE, photometric="rgb")
    code, messages = cgkit("translate", model(3, more=option("slide", mpp=0.5)), "in", "--output", "out")
    assert code == 3
    assert "does not say the size of its pixels; set level in place of mpp" in messages


def test_a_truncated_slide_is_reported_and_leaves_nothing(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    slide = write_svs(tmp_path / "in" / "x.svs", compression="jpeg")
    with tifffile.TiffFile(slide) as file:
        tag = file.pages.first.tags["TileOffsets"]
        place = tag.valueoffset
    content = bytearray(slide.read_bytes())
    content[place : place + 4] = (len(content) - 10).to_bytes(4, "little")
    slide.write_bytes(content)
    code, messages = cgkit("translate", model(3), slide, "--output", "out")
    assert code == 3, messages
    assert "x.svs: damaged" in messages
    assert not list(Path("out").glob("*.tif"))


@pytest.fixture(scope="module")
def pages_of_a_slide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from cgkit_microscopy.levels import Wanted, find_part

    slide = write_svs(tmp_path_factory.mktemp("slide") / "x.svs", compression="zlib")
    with tifffile.TiffFile(slide) as file:
        yield find_part(file, Wanted())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_window_is_that_of_the_whole_image(pages_of_a_slide: Any, data: st.DataObject) -> None:
    top, left = data.draw(st.integers(0, 599)), data.draw(st.integers(0, 699))
    bottom, right = data.draw(st.integers(top + 1, 600)), data.draw(st.integers(left + 1, 700))
    window = pages_of_a_slide.read(slice(top, bottom), slice(left, right))
    assert np.array_equal(window, IMAGE[top:bottom, left:right])


MEASURE = """
import resource, sys
import torch
torch.set_num_threads(1)
from cgkit.cli import main
import cgkit.translation.files, cgkit.translation.wholes, cgkit_microscopy.slide, cgkit_microscopy.slide_translating
cgkit.translation.wholes.EXACT = 1_000_000
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    main(sys.argv[1:])
except SystemExit as stop:
    assert not stop.code, stop.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_slide(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    """A slide of 25 million pixels, which with its translation would take 600 MB as floats, takes much less."""
    run = model(3)
    (tmp_path / "in").mkdir()
    tile = np.ascontiguousarray(IMAGE[:512, :512])
    with tifffile.TiffWriter(tmp_path / "in" / "x.svs") as writer:
        tiles = (tile for _ in range(10 * 10))
        writer.write(
            tiles,
            shape=(5000, 5000, 3),
            dtype="uint8",
            tile=(512, 512),
            photometric="rgb",
            compression="jpeg",
            description=APERIO,
            metadata=None,
        )
    arguments = ["--plugin", tmp_path / "identity.py", "translate", run, "in", "--output", "out"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) < 300_000, "kilobytes"
    with tifffile.TiffFile("out/x.ome.tif") as file:
        shapes = [level.shape for level in file.series[0].levels]
    assert shapes == [(5000, 5000, 3), (2500, 2500, 3), (1250, 1250, 3), (625, 625, 3), (313, 313, 3)]
