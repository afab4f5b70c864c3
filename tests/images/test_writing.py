"""Images are written in the depth and range of their domain, and are read back unchanged."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cgkit.errors import DataError, ResourceError, UsageError
from cgkit.files.image_files import ARRAYS, SUFFIXES
from cgkit.images.admission import inspect_image
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_image, read_with_alpha
from cgkit.images.writing import check_format, suffix_for, write_image
from tests.conftest import load_image
from tests.images.files import noise

RANGES = {
    "uint8": (None, (0.0, 100.0)),
    "uint16": (None, (0.0, 4095.0), (500.0, 60_000.0)),
    "int16": ((-1000.0, 3000.0), (-32_768.0, 32_767.0)),
    "uint32": ((0.0, 2.0**23),),
    "int32": ((-(2.0**22), 2.0**22),),
    "float32": ((-1000.0, 3000.0), (0.0, 1.0), (1e6, 1e6 + 16)),
}


@st.composite
def domains(draw: st.DrawFn) -> tuple[PixelFormat, str]:
    """Return a domain and the suffix of a format that can store it."""
    depth = draw(st.sampled_from(sorted(RANGES)))
    pixels = PixelFormat(
        channels=draw(st.sampled_from([1, 2, 3, 4, 5, 13])),
        range=draw(st.sampled_from(RANGES[depth])),
        depth=depth,
        alpha=draw(st.sampled_from(["composite", "channel"])),
    )
    return pixels, draw(
        st.sampled_from([suffix for suffix in (*SUFFIXES, *ARRAYS) if suffix_for(suffix, pixels) == suffix])
    )


class TestRoundTrip:
    @settings(deadline=None, max_examples=250)
    @given(
        domain=domains(),
        height=st.integers(1, 9),
        width=st.integers(1, 9),
        seed=st.integers(0, 99),
        upper_case=st.booleans(),
    )
    def test_a_round_trip_changes_values_by_at_most_one_level(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        domain: tuple[PixelFormat, str],
        height: int,
        width: int,
        seed: int,
        upper_case: bool,
    ) -> None:
        pixels, suffix = domain
        if suffix in (".jpg", ".jpeg", ".avif"):
            return  # lossy
        folder = tmp_path_factory.getbasetemp()
        first, second = folder / f"first{suffix.upper() if upper_case else suffix}", folder / f"second{suffix}"
        draws = torch.Generator().manual_seed(seed)
        write_image(torch.rand(pixels.channels, height, width, generator=draws), first, pixels)
        image = read_image(first, pixels)
        output = image * 2 - 1  # the output of an identity generator
        write_image((output + 1) / 2, second, pixels)
        low, high = pixels.written_range
        level = 1 / (high - low) if np.issubdtype(pixels.depth, np.integer) else 2**-22
        assert (read_image(second, pixels) - image).abs().max() <= level * 1.001
        header = inspect_image(second, pixels)
        colours_of_8_bits = suffix in (".webp",) and pixels.colours == 1
        assert header.depth == pixels.depth
        assert header.channels == pixels.channels or colours_of_8_bits

    @pytest.mark.parametrize("depth", ["uint8", "uint16"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_every_level_is_kept(self, tmp_path: Path, depth: str, channels: int) -> None:
        levels = np.iinfo(depth).max + 1
        rows = 16 if depth == "uint8" else 256
        image = (torch.arange(levels) / (levels - 1)).reshape(1, rows, -1).repeat(channels, 1, 1)
        write_image(image, tmp_path / "x.png", PixelFormat(channels, depth=depth))
        assert torch.equal(read_image(tmp_path / "x.png", PixelFormat(channels)), image)


def test_values_are_rounded_to_the_nearest_level_and_clipped(tmp_path: Path) -> None:
    image = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 2.0]).reshape(1, 1, 4)
    write_image(image, tmp_path / "x.png", PixelFormat(1))
    assert np.asarray(load_image(tmp_path / "x.png")).tolist() == [[0, 0, 1, 255]]
    write_image(image, tmp_path / "x.tif", PixelFormat(1, range=(-1000, 3000), depth="float32"))
    assert tifffile.imread(tmp_path / "x.tif").tolist() == [
        [-1000, *(np.float32(-1000 + 4000 * np.array([0.4, 0.6]) / 255)), 3000]
    ]


def test_other_programs_can_read_the_files(tmp_path: Path) -> None:
    write_image(torch.full((1, 4, 4), 0.5), tmp_path / "x.png", PixelFormat(1, depth="uint16"))
    with Image.open(tmp_path / "x.png") as picture:
        assert (picture.mode, picture.getpixel((0, 0))) == ("I;16", 32_768)
    write_image(torch.rand(13, 6, 4), tmp_path / "x.tif", PixelFormat(13, depth="float32", range=(-1, 1)))
    assert tifffile.imread(tmp_path / "x.tif").shape == (6, 4, 13)
    write_image(torch.rand(3, 6, 4), tmp_path / "x.tif", PixelFormat(3, depth="float32", range=(-1, 1)))
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        page = file.pages[0]
        assert (page.shape, page.dtype, page.photometric.name) == ((6, 4, 3), np.float32, "RGB")
    write_image(torch.ones(1, 2, 2), tmp_path / "x.npz", PixelFormat(1))
    assert np.load(tmp_path / "x.npz")["image"].tolist() == [[255, 255], [255, 255]]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".npy"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_written(tmp_path: Path, suffix: str, channels: int) -> None:
    image, alpha = torch.full((channels, 2, 2), 0.2), torch.full((1, 2, 2), 0.4)
    write_image(image, tmp_path / f"x{suffix}", PixelFormat(channels), alpha=alpha)
    read = read_image(tmp_path / f"x{suffix}", PixelFormat(channels + 1, alpha="channel"))
    assert torch.allclose(read, torch.cat([image, alpha]), atol=1e-3)
    _, carried = read_with_alpha(tmp_path / f"x{suffix}", PixelFormat(channels + 1, alpha="channel"))
    assert carried is not None
    assert torch.allclose(carried, alpha)


@pytest.mark.parametrize(
    ("pixels", "kept", "changed"),
    [
        (PixelFormat(3), [".png", ".jpg", ".JPG", ".tif", ".webp", ".bmp", ".npy", ""], {".gif": ".png"}),
        (PixelFormat(1, depth="uint16"), [".png", ".tif", ".npy"], {".jpg": ".png", ".webp": ".png", ".bmp": ".png"}),
        (PixelFormat(3, depth="float32", range=(0, 1)), [".tiff", ".npz"], {".png": ".tif", ".jpg": ".tif"}),
        (PixelFormat(13), [".tif"], {".png": ".tif"}),
        (PixelFormat(4), [".tif"], {".png": ".tif"}),
        (PixelFormat(4, alpha="channel"), [".png", ".webp"], {".jpg": ".png", ".bmp": ".png"}),
    ],
)
def test_a_format_that_cannot_hold_the_domain_is_replaced(
    pixels: PixelFormat, kept: list[str], changed: dict[str, str]
) -> None:
    assert {suffix: suffix_for(suffix, pixels) for suffix in (*kept, *changed)} == {
        **dict(zip(kept, kept, strict=True)),
        **changed,
    }


def test_unsupported_formats_and_shapes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the suffix .\.xyz. is not supported; use one of \.png"):
        write_image(torch.rand(3, 4, 4), tmp_path / "x.xyz")
    with pytest.raises(UsageError, match="GIF cannot store 3 channels of uint8; write png, tiff or npy"):
        write_image(torch.rand(3, 4, 4), tmp_path / "x.gif")
    with pytest.raises(DataError, match=r"shape \(5, 4, 4\) does not have the 3 channels"):
        write_image(torch.rand(5, 4, 4), tmp_path / "x.png")
    with pytest.raises(UsageError, match="JPEG cannot store 13 channels of uint8; write tiff or npy"):
        check_format(".jpg", PixelFormat(13))
    with pytest.raises(UsageError, match="WEBP cannot store 1 channel of uint16; write png, tiff or npy"):
        write_image(torch.rand(1, 4, 4), tmp_path / "x.webp", PixelFormat(1, depth="uint16"))
    with pytest.raises(UsageError, match="JPEG cannot store 3 channels of uint8 and an alpha channel"):
        write_image(torch.rand(3, 4, 4), tmp_path / "x.jpg", alpha=torch.ones(1, 4, 4))
    assert list(tmp_path.iterdir()) == []


def test_bands_have_no_transparency(tmp_path: Path) -> None:
    write_image(torch.rand(5, 4, 4), tmp_path / "x.tif", PixelFormat(5), alpha=torch.ones(1, 4, 4))
    assert inspect_image(tmp_path / "x.tif").channels == 5


def test_if_the_library_is_missing_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tifffile", "imagecodecs"):
        monkeypatch.setitem(sys.modules, name, None)
    deep = PixelFormat(3, depth="uint16")
    for name in ("x.tif", "x.png"):
        with pytest.raises(DataError, match=r"pip install \"cgkit\[tiff\]\""):
            write_image(torch.rand(3, 4, 4), tmp_path / name, deep)
    write_image(torch.rand(3, 4, 4), tmp_path / "x.npy", deep)
    write_image(torch.rand(1, 4, 4), tmp_path / "x.png", replace(deep, channels=1))
    assert {file.name for file in tmp_path.iterdir()} == {"x.npy", "x.png"}


def test_a_failed_write_leaves_existing_files_alone(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    (tmp_path / "x.png" / "mine").touch()
    with pytest.raises(ResourceError, match="cannot be written"):
        write_image(torch.rand(3, 4, 4), tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
    assert (tmp_path / "x.png" / "mine").exists()


def test_copies_between_formats_are_exact(tmp_path: Path) -> None:
    values = noise(5, 4, 3, depth="uint16")
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb")
    pixels = PixelFormat(3, depth="uint16")
    write_image(read_image(tmp_path / "x.tif", pixels), tmp_path / "y.png", pixels)
    write_image(read_image(tmp_path / "y.png", pixels), tmp_path / "z.tif", pixels)
    assert np.array_equal(tifffile.imread(tmp_path / "z.tif"), values)
