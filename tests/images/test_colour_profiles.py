"""Pictures with any colour profile are read as sRGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_image
from tests.images.files import noise


def with_gamma(gamma: float) -> bytes:
    """Return an sRGB profile with another name whose three curves are replaced by a gamma."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    for number in range(count):
        entry = 132 + 12 * number
        name, offset = bytes(profile[entry : entry + 4]), int.from_bytes(profile[entry + 4 : entry + 8], "big")
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big")
            profile[offset : offset + len(curve)] = curve
            profile[entry + 8 : entry + 12] = len(curve).to_bytes(4, "big")
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_another_colour_space_is_converted_to_srgb(tmp_path: Path, mode: str) -> None:
    # 0.5 at gamma 1 is half the light, which is 188 in sRGB.
    picture = Image.new("RGB", (2, 2), (128, 0, 255))
    picture = picture.quantize() if mode == "P" else picture.convert(mode)
    picture.save(tmp_path / "x.png", icc_profile=with_gamma(1.0))
    image = read_image(tmp_path / "x.png")
    assert np.abs(image[:, 0, 0].numpy() * 255 - (188, 0, 255)).max() < 1.5
    picture.save(tmp_path / "y.png")
    assert np.array_equal(np.rint(read_image(tmp_path / "y.png")[:, 0, 0].numpy() * 255), (128, 0, 255))


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_tiff_of_any_depth_is_converted_to_srgb(tmp_path: Path, depth: str, planar: str) -> None:
    highest = np.iinfo(depth).max
    values = np.full((4, 5, 3), (highest // 2, 0, highest), depth)
    stored = values if planar == "contig" else values.transpose(2, 0, 1).copy()
    options = {"photometric": "rgb", "planarconfig": planar, "metadata": None}
    tifffile.imwrite(tmp_path / "x.tif", stored, iccprofile=with_gamma(1.0), **options)
    image = read_image(tmp_path / "x.tif", PixelFormat(3, depth=depth))
    assert image.shape == (3, 4, 5)
    assert np.abs(image[:, 0, 0].numpy() * 255 - (188, 0, 255)).max() < 1.5


def test_an_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    values = noise(8, 8, 3, depth="uint8")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(values).save(tmp_path / "x.png", icc_profile=profile)
    assert np.array_equal(np.rint(read_image(tmp_path / "x.png").numpy() * 255), values.transpose(2, 0, 1))


@pytest.mark.parametrize("profile", [b"not a profile", b"\0" * 200], ids=["text", "zeros"])
def test_an_unusable_profile_is_ignored(tmp_path: Path, profile: bytes) -> None:
    values = noise(8, 8, 3, depth="uint8")
    Image.fromarray(values).save(tmp_path / "x.png", icc_profile=profile)
    assert np.array_equal(np.rint(read_image(tmp_path / "x.png").numpy() * 255), values.transpose(2, 0, 1))


def test_grey_and_transparency_are_not_converted(tmp_path: Path) -> None:
    Image.new("L", (2, 2), 128).save(tmp_path / "x.png", icc_profile=with_gamma(1.0))
    assert float(read_image(tmp_path / "x.png", PixelFormat(1))[0, 0, 0]) == pytest.approx(128 / 255)
    Image.new("RGBA", (2, 2), (128, 0, 255, 77)).save(tmp_path / "x.png", icc_profile=with_gamma(1.0))
    image = read_image(tmp_path / "x.png", PixelFormat(4, alpha="channel"))
    assert float(image[3, 0, 0]) == pytest.approx(77 / 255)
    assert float(image[0, 0, 0]) == pytest.approx(188 / 255, abs=0.006)
