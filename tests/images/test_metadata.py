"""A translation in the format of its source keeps what is still true of it: resolution, EXIF data, georeference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from cgkit.errors import CgkitWarning
from cgkit.images.formats import built_in
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_image, read_values
from cgkit.images.writing import write_image
from tests.conftest import load_image
from tests.images.files import noise

ORIENTATION, ARTIST = 0x0112, 0x013B
SCALE, TIEPOINT, KEYS, NAMES = 33550, 33922, 34735, 34737
PLACE = {
    SCALE: (10.0, 10.0, 0.0),
    TIEPOINT: (0.0, 0.0, 0.0, 399_960.0, 5_900_040.0, 0.0),
    KEYS: (1, 1, 0, 1, 3072, 0, 1, 32633),
    NAMES: "WGS 84 / UTM zone 33N|",
}


def translate(source: Path, target: Path, pixels: PixelFormat) -> Path:
    """Write an inverted image, as a model would."""
    values = read_values(source, pixels)
    write_image(1 - read_image(source, pixels), target, pixels, carry=values.carry)
    return target


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_pictures_keep_their_exif_data_except_for_the_orientation(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[ARTIST] = 6, "Someone"
    Image.fromarray(noise(6, 9, 3, depth="uint8")).save(tmp_path / f"x{suffix}", exif=exif)
    written = load_image(translate(tmp_path / f"x{suffix}", tmp_path / f"y{suffix}", PixelFormat()))
    assert written.size == (6, 9), "it is upright"
    assert written.getexif().get(ARTIST) == "Someone"
    assert ORIENTATION not in written.getexif()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif"])
def test_pictures_keep_their_resolution(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(noise(6, 9, 3, depth="uint8")).save(tmp_path / f"x{suffix}", dpi=(300, 200))
    written = load_image(translate(tmp_path / f"x{suffix}", tmp_path / f"y{suffix}", PixelFormat()))
    assert [round(float(dots)) for dots in written.info["dpi"]] == [300, 200]


def test_the_colour_profile_is_dropped_since_values_are_in_srgb(tmp_path: Path) -> None:
    Image.fromarray(noise(6, 9, 3, depth="uint8")).save(tmp_path / "x.png", icc_profile=b"a profile that is not one")
    assert "icc_profile" not in load_image(translate(tmp_path / "x.png", tmp_path / "y.png", PixelFormat())).info


@pytest.mark.parametrize(("depth", "channels"), [("uint8", 3), ("uint8", 1), ("uint16", 1), ("float32", 5)])
def test_tiffs_keep_their_georeference(tmp_path: Path, depth: str, channels: int) -> None:
    kinds = {SCALE: "d", TIEPOINT: "d", KEYS: "H", NAMES: "s"}
    extra = [(code, kinds[code], 0 if code == NAMES else len(value), value, True) for code, value in PLACE.items()]
    values = noise(6, 9, channels, depth=depth) if channels > 1 else noise(6, 9, depth=depth)
    photometric = "rgb" if channels == 3 else "minisblack"
    planar = {"planarconfig": "contig"} if channels > 1 else {}
    tifffile.imwrite(tmp_path / "x.tif", values, photometric=photometric, metadata=None, extratags=extra, **planar)
    span = (-1000.0, 3000.0) if depth == "float32" else None
    translate(tmp_path / "x.tif", tmp_path / "y.tif", PixelFormat(channels, depth=depth, range=span))
    with tifffile.TiffFile(tmp_path / "y.tif") as file:
        tags = file.pages[0].tags
        assert {code: tags[code].value for code in PLACE} == PLACE


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_a_georeference_is_dropped_if_the_image_is_turned(tmp_path: Path, depth: str) -> None:
    extra = [(SCALE, "d", 3, PLACE[SCALE], True), (274, "H", 1, 6, True)]
    tifffile.imwrite(tmp_path / "x.tif", noise(6, 9, depth=depth), metadata=None, extratags=extra)
    translate(tmp_path / "x.tif", tmp_path / "y.tif", PixelFormat(1, depth=depth))
    with tifffile.TiffFile(tmp_path / "y.tif") as file:
        assert file.pages[0].shape == (9, 6)
        assert SCALE not in file.pages[0].tags


def test_damaged_metadata_harm_no_translation(tmp_path: Path) -> None:
    Image.fromarray(noise(6, 9, 3, depth="uint8")).save(
        tmp_path / "x.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff nonsense"
    )
    assert load_image(translate(tmp_path / "x.jpg", tmp_path / "y.jpg", PixelFormat())).size == (9, 6)
    extra = [(SCALE, "s", 0, "ten metres", True), (282, "H", 1, 0, True)]
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((6, 9), np.uint16), metadata=None, extratags=extra)
    written = translate(tmp_path / "x.tif", tmp_path / "y.tif", PixelFormat(1, depth="uint16"))
    assert torch.equal(read_image(written, PixelFormat(1)), torch.ones(1, 6, 9))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif"])
def test_photographs_keep_date_and_place_in_another_format(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[306] = "2024:05:06 07:08:09"
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(noise(16, 24, 3, depth="uint8")).save(tmp_path / "x.jpg", exif=exif, dpi=(300, 300))
    written = load_image(translate(tmp_path / "x.jpg", tmp_path / f"y{suffix}", PixelFormat()))
    kept = written.getexif()
    assert (kept[306], kept.get_ifd(0x8825)[1], kept.get(ORIENTATION)) == ("2024:05:06 07:08:09", "N", None)
    assert written.size == (16, 24)


def test_deep_colour_keeps_date_and_resolution(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[306] = "2024:05:06 07:08:09"
    Image.fromarray(noise(6, 9, 3, depth="uint8")).save(tmp_path / "x.png", exif=exif, dpi=(300, 300))
    written = load_image(translate(tmp_path / "x.png", tmp_path / "y.png", PixelFormat(3, depth="uint16")))
    assert written.getexif()[306] == "2024:05:06 07:08:09"
    assert written.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    deep = PixelFormat(3, depth="uint16")
    again = load_image(translate(tmp_path / "y.png", tmp_path / "z.png", deep))
    assert again.getexif()[306] == "2024:05:06 07:08:09"


EXIF, GPS, TAKEN, EXPOSURE = 34665, 34853, 36867, 33434


def photograph() -> Image.Exif:
    """Return the EXIF data of a photograph: camera, date, exposure and place."""
    exif = Image.Exif()
    exif[271], exif[272], exif[315] = "Leica", "M", "Ann"
    exif.get_ifd(EXIF).update({TAKEN: "2024:05:06 07:08:09", EXPOSURE: 0.01})
    exif.get_ifd(GPS).update({1: "N", 2: (52.0, 30.0, 1.0)})
    return exif


def about(file: Path) -> tuple[dict[int, object], dict[int, object], dict[int, object]]:
    """Return what a file says of the photograph, not of how it is stored."""
    exif = load_image(file).getexif()
    return (
        {code: exif[code] for code in (271, 272, 315)},
        {code: exif.get_ifd(EXIF)[code] for code in (TAKEN, EXPOSURE)},
        {code: exif.get_ifd(GPS)[code] for code in (1, 2)},
    )


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_photographs_keep_everything_on_the_way_to_tiff_and_back(tmp_path: Path, depth: str, channels: int) -> None:
    exif = photograph()
    Image.fromarray(noise(6, 9, 3, depth="uint8")).save(tmp_path / "x.jpg", exif=exif, dpi=(300, 200))
    alpha = "channel" if channels == 4 else "composite"
    pixels = PixelFormat(channels, depth=depth, alpha=alpha)  # type: ignore[arg-type]
    translate(tmp_path / "x.jpg", tmp_path / "y.tif", pixels)
    assert tifffile.imread(tmp_path / "y.tif").shape == ((6, 9, channels) if channels > 1 else (6, 9))
    translate(tmp_path / "y.tif", tmp_path / "z.tif", pixels)
    translate(tmp_path / "z.tif", tmp_path / "z.png", pixels)
    with tifffile.TiffFile(tmp_path / "z.tif") as file:
        tags = file.pages[0].tags
        assert (tags[271].value, tags[282].value[0] / tags[282].value[1]) == ("Leica", 300)
        assert tags[EXIF].value["DateTimeOriginal"] == "2024:05:06 07:08:09"
    for name in ("x.jpg", "z.tif", "z.png") if depth == "uint8" or channels == 1 else ("x.jpg", "z.png"):
        assert about(tmp_path / name) == about(tmp_path / "x.jpg"), name
    assert load_image(tmp_path / "z.png").info["dpi"] == pytest.approx((300, 200), abs=0.1)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_texts_keep_their_letters(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[271], exif[33432] = "HP", "© Zoë 写真".encode()  # UTF-8, as cameras write it
    Image.fromarray(noise(6, 9, 3, depth="uint8")).save(tmp_path / "x.jpg", exif=exif)
    translate(tmp_path / "x.jpg", tmp_path / f"y{suffix}", PixelFormat())
    translate(tmp_path / f"y{suffix}", tmp_path / f"z{suffix}", PixelFormat())
    written = load_image(tmp_path / f"z{suffix}").getexif()
    assert (written[271], written[33432].encode("latin-1").decode()) == ("HP", "© Zoë 写真")


def test_a_resolution_without_unit_stays_without(tmp_path: Path) -> None:
    values = noise(6, 9, depth="uint16")
    tifffile.imwrite(tmp_path / "x.tif", values, metadata=None, resolution=(4.5, 4.5), resolutionunit=1)
    translate(tmp_path / "x.tif", tmp_path / "y.tif", PixelFormat(1, depth="uint16"))
    with tifffile.TiffFile(tmp_path / "y.tif") as file:
        tags = file.pages[0].tags
        assert (tags[282].value[0] / tags[282].value[1], tags[296].value) == (4.5, 1)
    translate(tmp_path / "x.tif", tmp_path / "y.png", PixelFormat(1, depth="uint16"))
    assert "dpi" not in load_image(tmp_path / "y.png").info


def test_a_picture_says_that_it_loses_the_georeference_of_a_map(tmp_path: Path) -> None:
    extra = [(SCALE, "d", 3, PLACE[SCALE], True)]
    tifffile.imwrite(tmp_path / "x.tif", noise(6, 9, 3, depth="uint8"), metadata=None, extratags=extra)
    with pytest.warns(CgkitWarning, match="loses its georeference: only TIFF can hold it"):
        translate(tmp_path / "x.tif", tmp_path / "y.png", PixelFormat())


def test_a_bitmap_says_that_it_loses_date_and_place(tmp_path: Path) -> None:
    Image.fromarray(noise(6, 9, 3, depth="uint8")).save(tmp_path / "x.jpg", exif=photograph())
    with pytest.warns(CgkitWarning, match="loses its date, place and camera"):
        translate(tmp_path / "x.jpg", tmp_path / "y.bmp", PixelFormat())


def test_exif_data_do_not_say_the_size_of_the_image(tmp_path: Path) -> None:
    exif = photograph()
    exif.get_ifd(EXIF).update({40962: 9, 40963: 6})
    Image.fromarray(noise(6, 9, 3, depth="uint8")).save(tmp_path / "x.jpg", exif=exif)
    written = load_image(translate(tmp_path / "x.jpg", tmp_path / "y.jpg", PixelFormat())).getexif().get_ifd(EXIF)
    assert not {40962, 40963} & set(written)
    assert written[TAKEN] == "2024:05:06 07:08:09"


def test_formats_of_photographs_share_their_metadata() -> None:
    formats = {entry.name: entry.format for entry in built_in().entries}
    sharing = [name for name, one in formats.items() if getattr(one, "metadata", "") == "exif"]
    assert {"png", "jpeg", "webp", "avif", "heif", "tiff"} <= set(sharing)
    assert all(formats[name].metadata == "exif" for name in sharing)  # type: ignore[attr-defined]


MICROSCOPES = {
    "OME": {"ome": True, "metadata": {"PhysicalSizeX": 0.26, "PhysicalSizeY": 0.13}},
    "OME in nanometres": {
        "ome": True,
        "metadata": {
            "PhysicalSizeX": 260,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 130,
            "PhysicalSizeYUnit": "nm",
        },
    },
    "ImageJ": {"imagej": True, "metadata": {"unit": "micron"}, "resolution": (1 / 0.26, 1 / 0.13)},
    "ImageJ's micro sign": {"imagej": True, "metadata": {"unit": "\\u00B5m"}, "resolution": (1 / 0.26, 1 / 0.13)},
}
"""How tifffile states that pixels are 0.26 micrometres wide and 0.13 high."""


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("program", MICROSCOPES)
def test_the_size_of_pixels_of_microscopes_is_kept_as_the_resolution(tmp_path: Path, program: str, depth: str) -> None:
    tifffile.imwrite(tmp_path / "x.tif", noise(6, 9, 1, depth=depth)[..., 0], **MICROSCOPES[program])
    with tifffile.TiffFile(translate(tmp_path / "x.tif", tmp_path / "y.tif", PixelFormat(1, depth=depth))) as file:
        assert file.pages.first.get_resolution("micrometer") == pytest.approx((1 / 0.26, 1 / 0.13), rel=1e-4)


def test_a_resolution_without_a_unit_stays_without_one(tmp_path: Path) -> None:
    options = {"metadata": None, "resolution": (2, 1), "resolutionunit": "NONE"}
    tifffile.imwrite(tmp_path / "x.tif", noise(6, 9, 1, depth="uint16")[..., 0], **options)
    with tifffile.TiffFile(translate(tmp_path / "x.tif", tmp_path / "y.tif", PixelFormat(1, depth="uint16"))) as file:
        tags = file.pages.first.tags
        assert [tags[name].value for name in ("XResolution", "YResolution", "ResolutionUnit")] == [(2, 1), (1, 1), 1]
