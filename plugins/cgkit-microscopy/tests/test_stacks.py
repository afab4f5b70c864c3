"""Stacks keep their axes, pixel sizes and names, and their planes are translated alike."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import RESNET, option, values_of

Cli = Callable[..., tuple[int, str]]
Model = Callable[..., Path]
Write = Callable[..., Path]

DRAWS = np.random.default_rng(0)
PIXELS = {"PhysicalSizeX": 0.26, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.27, "PhysicalSizeYUnit": "µm"}
DEPTH = {"PhysicalSizeZ": 1.5, "PhysicalSizeZUnit": "µm", "TimeIncrement": 2.5, "TimeIncrementUnit": "s"}
CHANNELS = {"Channel": {"Name": ["DAPI", "GFP", "Cy5"]}}

pytestmark = pytest.mark.filterwarnings("always::cgkit.errors.CgkitWarning")


def draw(*shape: int, depth: str = "uint8") -> Any:
    return DRAWS.integers(0, 200, shape).astype(depth)


def ome_of(file: Path) -> dict[str, Any]:
    """Return what the OME-XML of a file says about its only image."""
    with tifffile.TiffFile(file) as opened:
        assert opened.is_ome
        image = tifffile.xml2dict(opened.ome_metadata or "")["OME"]["Image"]
        assert isinstance(image, dict)
        return image


def test_every_axis_of_an_ome_tiff_is_kept_with_its_sizes_and_names(cgkit: Cli, model: Model, stack: Write) -> None:
    values = draw(2, 4, 3, 20, 24)
    source = stack("in/x.ome.tif", values, metadata={"axes": "TZCYX", **PIXELS, **DEPTH, **CHANNELS})
    code, messages = cgkit("translate", model(), source, "--output", "out")
    assert code == 0, messages
    axes, written = values_of(Path("out/x.ome.tif"))
    assert axes == "TZCYX"
    assert np.array_equal(written, values)
    before, after = ome_of(source)["Pixels"], ome_of(Path("out/x.ome.tif"))["Pixels"]
    assert {name: after[name] for name in (*PIXELS, *DEPTH)} == {**PIXELS, **DEPTH}
    assert [channel["Name"] for channel in after["Channel"]] == ["DAPI", "GFP", "Cy5"]
    assert {key: before[key] for key in before if key.startswith("Size")} == {
        key: after[key] for key in after if key.startswith("Size")
    }


@pytest.mark.parametrize("axes", ["TCZYX", "CTYX", "ZCYX", "CYX", "TZYX", "ZYX"])
def test_whatever_the_order_of_axes_each_plane_stays_at_its_place(
    cgkit: Cli, model: Model, stack: Write, axes: str
) -> None:
    lengths = {"T": 2, "C": 3, "Z": 4, "Y": 20, "X": 24}
    values = draw(*(lengths[axis] for axis in axes))
    source = stack("in/x.ome.tif", values, metadata={"axes": axes})
    code, messages = cgkit("translate", model(), source, "--output", "out")
    assert code == 0, messages
    written_axes, written = values_of(Path("out/x.ome.tif"))
    assert sorted(written_axes) == sorted(axes)
    assert np.array_equal(written.transpose([written_axes.index(axis) for axis in axes]), values)


def test_channels_are_bands_if_the_model_has_as_many(cgkit: Cli, model: Model, stack: Write) -> None:
    values = draw(2, 3, 20, 24)
    metadata = {"axes": "ZCYX", **PIXELS, **CHANNELS}
    source = stack("in/x.ome.tif", values, photometric="minisblack", metadata=metadata)
    code, messages = cgkit("translate", model(channels=3), source, "--output", "out")
    assert code == 0, messages
    axes, written = values_of(Path("out/x.ome.tif"))
    assert axes == "ZCYX"
    assert np.array_equal(written, values)
    assert [channel["Name"] for channel in ome_of(Path("out/x.ome.tif"))["Pixels"]["Channel"]] == ["DAPI", "GFP", "Cy5"]


def test_channels_can_be_selected_and_what_is_left_out_is_said(cgkit: Cli, model: Model, stack: Write) -> None:
    values = draw(2, 3, 20, 24)
    source = stack("in/x.ome.tif", values, photometric="minisblack", metadata={"axes": "TCYX", **CHANNELS})
    run = model(channels=2, more=option("stack", select=[3, 1]))
    code, messages = cgkit("translate", run, source, "--output", "out")
    assert code == 0, messages
    assert "channel 2 (GFP) is left out" in messages
    axes, written = values_of(Path("out/x.ome.tif"))
    assert axes == "TCYX"
    assert np.array_equal(written, values[:, [2, 0]])
    assert [channel["Name"] for channel in ome_of(Path("out/x.ome.tif"))["Pixels"]["Channel"]] == ["Cy5", "DAPI"]


def test_new_channels_have_no_names_of_the_old(cgkit: Cli, model: Model, stack: Write) -> None:
    values = draw(2, 3, 20, 24)
    source = stack("in/x.ome.tif", values, photometric="minisblack", metadata={"axes": "TCYX", **CHANNELS})
    code, messages = cgkit("translate", model(channels=(3, 2)), source, "--output", "out")
    assert code == 0, messages
    assert "the names and properties of its channels are left out" in messages
    axes, written = values_of(Path("out/x.ome.tif"))
    assert (axes, written.shape) == ("TCYX", (2, 2, 20, 24))
    assert all("Name" not in channel for channel in ome_of(Path("out/x.ome.tif"))["Pixels"]["Channel"])


def test_grey_planes_may_become_colour(cgkit: Cli, model: Model, stack: Write) -> None:
    values = draw(3, 20, 24)
    source = stack("in/x.ome.tif", values, photometric="minisblack", metadata={"axes": "ZYX", **PIXELS})
    code, messages = cgkit("translate", model(channels=(1, 3)), source, "--output", "out")
    assert code == 0, messages
    axes, written = values_of(Path("out/x.ome.tif"))
    assert axes == "ZYXS"
    assert np.array_equal(written, values[..., None].repeat(3, -1))
    assert ome_of(Path("out/x.ome.tif"))["Pixels"]["PhysicalSizeX"] == 0.26


def test_colour_stacks_stay_colour(cgkit: Cli, model: Model, stack: Write) -> None:
    values = draw(4, 20, 24, 3)
    source = stack("in/x.tif", values, imagej=True, photometric="rgb", metadata={"axes": "ZYXS"})
    code, messages = cgkit("translate", model(channels=3), source, "--output", "out")
    assert code == 0, messages
    axes, written = values_of(Path("out/x.tif"))
    assert axes == "ZYXS"
    assert np.array_equal(written, values)


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
def test_an_imagej_hyperstack_stays_one(cgkit: Cli, model: Model, stack: Write, depth: str) -> None:
    values = draw(2, 3, 2, 20, 24, depth=depth)
    labels = [f"plane {number}" for number in range(12)]
    said = {"spacing": 1.5, "unit": "\\u00B5m", "finterval": 0.5, "fps": 2.0, "mode": "composite", "loop": False}
    said |= {"Info": "by Jane Doe", "Ranges": (0.0, 100.0, 0.0, 200.0)}
    options = {"imagej": True, "resolution": (3.8, 3.7), "metadata": {"axes": "TZCYX", "Labels": labels, **said}}
    source = stack("in/x.tif", values, **options)
    code, messages = cgkit("translate", model(depth=depth), source, "--output", "out")
    assert code == 0, messages
    assert "the text about its acquisition is left out" in messages
    axes, written = values_of(Path("out/x.tif"))
    assert axes == "TZCYX"
    assert written.dtype == depth
    assert np.allclose(written, values)
    with tifffile.TiffFile("out/x.tif") as after, tifffile.TiffFile(source) as before:
        assert after.imagej_metadata is not None
        assert before.imagej_metadata is not None
        kept = ("spacing", "unit", "finterval", "fps", "mode", "loop", "Labels", "slices", "frames", "channels")
        assert {key: after.imagej_metadata[key] for key in kept} == {key: before.imagej_metadata[key] for key in kept}
        assert not {"Info", "Ranges"} & set(after.imagej_metadata)
        for tag in ("XResolution", "YResolution", "ResolutionUnit"):
            assert after.pages.first.tags[tag].value == before.pages.first.tags[tag].value


def test_a_stack_of_imagej_that_describes_only_its_first_page_is_read(cgkit: Cli, model: Model, stack: Write) -> None:
    values = draw(5, 20, 24, depth="uint16")
    source = stack("in/x.tif", values, imagej=True, truncate=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(source) as file:
        assert len(file.pages) == 1
    code, messages = cgkit("translate", model(depth="uint16"), source, "--output", "out")
    assert code == 0, messages
    assert np.array_equal(values_of(Path("out/x.tif"))[1], values)


def test_plain_pages_are_planes_or_channels_if_the_spec_says_so(cgkit: Cli, model: Model, stack: Write) -> None:
    values = draw(3, 20, 24)
    source = stack("in/x.tif", values, photometric="minisblack", metadata=None, resolution=(1000, 1000))
    run = model(more=option("stack", pages_are="planes"))
    code, messages = cgkit("translate", run, source, "--output", "out")
    assert code == 0, messages
    assert np.array_equal(values_of(Path("out/x.tif"))[1], values)
    with tifffile.TiffFile("out/x.tif") as file:
        assert file.pages.first.tags["XResolution"].value == (1000, 1)


def test_plain_pages_are_left_to_other_formats(cgkit: Cli, model: Model, stack: Write) -> None:
    source = stack("in/x.tif", draw(3, 20, 24), photometric="minisblack", metadata=None)
    code, messages = cgkit("translate", model(), source, "--output", "out")
    assert code == 3
    assert "has 3 pages" in messages


PEOPLE = (
    '<Experimenter ID="Experimenter:0" UserName="jdoe" LastName="Doe"/>'
    '<Instrument ID="Instrument:0"><Objective ID="Objective:0" LensNA="1.4"/></Instrument>'
)


def with_people(xml: str) -> str:
    """Return OME-XML that names people, a date and an objective."""
    xml = xml.replace("<Image ", PEOPLE + "<Image ", 1)
    inside = "<AcquisitionDate>2024-05-06T07:08:09</AcquisitionDate>"
    inside += '<ExperimenterRef ID="Experimenter:0"/><Description>of Jane Doe</Description>'
    inside += '<InstrumentRef ID="Instrument:0"/><ObjectiveSettings ID="Objective:0"/>'
    return xml.replace("<Pixels ", inside + "<Pixels ", 1)


@pytest.fixture
def personal(stack: Write) -> Path:
    source = stack("in/x.ome.tif", draw(3, 20, 24), photometric="minisblack", metadata={"axes": "ZYX", **PIXELS})
    with tifffile.TiffFile(source) as file:
        xml = with_people(file.ome_metadata or "")
    tifffile.tiffcomment(source, xml.encode())
    return source


def test_people_are_not_named_in_a_translation(cgkit: Cli, model: Model, personal: Path) -> None:
    code, messages = cgkit("translate", model(), personal, "--output", "out")
    assert code == 0, messages
    assert "its OME metadata is kept without Experimenter, Description" in messages
    with tifffile.TiffFile("out/x.ome.tif") as file:
        xml = file.ome_metadata or ""
    assert "oe" not in xml.replace("openmicroscopy", "")
    assert "ExperimenterRef" not in xml
    assert "2024-05-06T07:08:09" in xml
    assert 'LensNA="1.4"' in xml


def test_people_are_named_if_the_spec_says_so(cgkit: Cli, model: Model, personal: Path) -> None:
    code, messages = cgkit("translate", model(more=option("stack", keep_names=True)), personal, "--output", "out")
    assert code == 0, messages
    with tifffile.TiffFile("out/x.ome.tif") as file:
        assert 'LastName="Doe"' in (file.ome_metadata or "")
        assert "of Jane Doe" in (file.ome_metadata or "")


def test_planes_do_not_flicker(cgkit: Cli, model: Model, stack: Write) -> None:
    """With statistics of its own, each plane is shifted to the same mean; with common ones, brightness is kept."""
    plane = draw(32, 32).astype(int) // 4
    values = np.stack([plane, plane, plane + 100, plane]).astype(np.uint8)
    source = stack("in/x.ome.tif", values, metadata={"axes": "TYX"})
    run = model(generator=RESNET)
    assert cgkit("translate", run, source, "--output", "out")[0] == 0
    assert cgkit("translate", run, source, "--output", "own", "--statistics-from", 0)[0] == 0
    common, own = (values_of(Path(folder, "x.ome.tif"))[1].astype(int) for folder in ("out", "own"))
    assert np.array_equal(common[0], common[1])
    assert np.array_equal(common[0], common[3])
    assert np.abs(own[2] - own[0]).max() <= 1
    assert np.abs(common[2] - common[0]).max() > 5


def test_large_planes_are_translated_in_windows(
    cgkit: Cli, model: Model, stack: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = draw(2, 200, 240)
    source = stack("in/x.ome.tif", values, metadata={"axes": "ZYX"})
    run = model(generator=RESNET)
    assert cgkit("translate", run, source, "--output", "whole", "--statistics-from", 0)[0] == 0
    monkeypatch.setattr("cgkit_microscopy.translating.AT_ONCE", 1000)
    monkeypatch.setattr("cgkit.translation.wholes.AT_ONCE", 1000)
    code, messages = cgkit("translate", run, source, "--output", "windows")
    assert code == 0, messages
    assert "each has norm statistics of its own" in messages
    whole, windows = (values_of(Path(folder, "x.ome.tif"))[1].astype(int) for folder in ("whole", "windows"))
    assert np.abs(whole - windows).max() <= 1


def test_planes_that_would_fill_the_memory_are_refused(
    cgkit: Cli, model: Model, stack: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = stack("in/x.ome.tif", draw(2, 20, 24), metadata={"axes": "ZYX"})
    monkeypatch.setattr("cgkit_microscopy.translating.MOST", 479)
    code, messages = cgkit("translate", model(), source, "--output", "out")
    assert code == 3
    assert "has planes of 24 x 20 pixels; save each plane as a pyramid" in messages


def test_large_translations_are_bigtiff(
    cgkit: Cli, model: Model, stack: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = stack("in/x.ome.tif", draw(2, 20, 24), metadata={"axes": "ZYX"})
    monkeypatch.setattr("cgkit_microscopy.stack_writing.LARGEST", 900)
    code, messages = cgkit("translate", model(), source, "--output", "out")
    assert code == 0, messages
    with tifffile.TiffFile("out/x.ome.tif") as file:
        assert file.is_bigtiff


def test_smaller_copies_are_said_to_be_left_out(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    values = draw(3, 64, 64)
    (tmp_path / "in").mkdir()
    with tifffile.TiffWriter(tmp_path / "in" / "x.ome.tif") as writer:
        writer.write(values, subifds=1, tile=(32, 32), metadata={"axes": "ZYX"}, photometric="minisblack")
        writer.write(values[:, ::2, ::2], subfiletype=1, tile=(32, 32), photometric="minisblack")
    code, messages = cgkit("translate", model(), "in", "--output", "out")
    assert code == 0, messages
    assert "the 1 smaller copies of each plane are left out" in messages
    assert np.array_equal(values_of(Path("out/x.ome.tif"))[1], values)


@pytest.mark.parametrize(
    ("channels", "options", "reason"),
    [
        (2, {}, "has 3 channels (DAPI, GFP, Cy5), but the model translates images of 2; set in [[format]]"),
        (1, {"select": [4]}, "so there is no channel 4"),
        (1, {"channels_are": "bands"}, "but the model translates images of 1"),
        ((1, 2), {"channels_are": "planes"}, "cannot be translated channel by channel"),
    ],
)
def test_channels_that_do_not_fit_are_refused(
    cgkit: Cli, model: Model, stack: Write, channels: Any, options: dict[str, Any], reason: str
) -> None:
    source = stack("in/x.ome.tif", draw(3, 20, 24), photometric="minisblack", metadata={"axes": "CYX", **CHANNELS})
    code, messages = cgkit("translate", model(channels, more=option("stack", **options)), source, "--output", "out")
    assert code == 3
    assert reason in messages
    assert not list(Path("out").glob("*.tif"))


@pytest.mark.parametrize("options", [{"select": []}, {"select": [0]}, {"select": [1, 1]}, {"channels_are": "both"}])
def test_options_that_make_no_sense_are_refused(cgkit: Cli, model: Model, options: dict[str, Any]) -> None:
    model()
    Path("wrong.toml").write_text(Path("spec.toml").read_text() + option("stack", **options))
    code, messages = cgkit("check", "wrong.toml")
    assert code != 0
    assert "stack" in messages or "channels" in messages


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_truncated_stack_is_reported_and_leaves_nothing(
    cgkit: Cli, model: Model, stack: Write, compression: Any
) -> None:
    source = stack("in/x.ome.tif", draw(9, 64, 64), compression=compression, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(source) as file:
        last = file.pages[8].dataoffsets[0]
    content = source.read_bytes()
    if last < len(content) - 4200:  # the descriptions of pages follow: leave them, and take the data of the last plane
        with tifffile.TiffFile(source) as file:
            tag = file.pages[8].aspage().tags["StripOffsets"].valueoffset
        content = content[:tag] + len(content).to_bytes(8, "little")[:4] + content[tag + 4 :]
    else:
        content = content[: last + 100]
    source.write_bytes(content)
    code, messages = cgkit("translate", model(), source, "--output", "out")
    assert code == 3, messages
    assert "x.ome.tif: " in messages
    assert not list(Path("out").glob("*.tif"))


def test_memory_does_not_grow_with_the_stack(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    """A stack of 268 MB is translated with arrays of less than 60 MB."""
    run = model(depth="float32", span="[0, 1000]")
    (tmp_path / "in").mkdir()
    plane = np.zeros((1024, 1024), np.float32)
    with tifffile.TiffWriter(tmp_path / "in" / "x.ome.tif", ome=True) as writer:
        pages = (plane + np.float32(number) for number in range(64))
        writer.write(pages, shape=(64, 1024, 1024), dtype="float32", compression="zlib", metadata={"axes": "TYX"})
    tracemalloc.start()
    try:
        code, messages = cgkit("translate", run, "in", "--output", "out", "--statistics-from", 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert code == 0, messages
    assert peak < 60_000_000
    with tifffile.TiffFile("out/x.ome.tif") as file:
        assert file.series[0].shape == (64, 1024, 1024)
        assert round(float(file.pages[63].asarray().max()), 3) == 63


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_stack_comes_back_from_a_model_that_changes_nothing(cached: Any, data: st.DataObject) -> None:
    cgkit, run, folder = cached
    axes = data.draw(st.sampled_from(["TZCYX", "ZCYX", "CZYX", "TYX", "CYX"]))
    kind = data.draw(st.sampled_from(["ome", "imagej"] if "CZ" not in axes else ["ome"]))
    lengths = [data.draw(st.integers(1, 3)) for _ in axes[:-2]] + [20, 24]
    if sum(length > 1 for length in lengths) < 3:
        lengths[0] = 2
    values = draw(*lengths)
    name = "x.ome.tif" if kind == "ome" else "x.tif"
    compression = data.draw(st.sampled_from([None, "zlib", "lzw"])) if kind == "ome" else None
    options = {"imagej": True} if kind == "imagej" else {"compression": compression}
    tifffile.imwrite(folder / name, values, photometric="minisblack", metadata={"axes": axes}, **options)
    code, messages = cgkit("translate", run, folder / name, "--output", folder / "out", "--overwrite")
    assert code == 0, messages
    before, after = values_of(folder / name), values_of(folder / "out" / name)
    assert sorted(before[0]) == sorted(after[0])
    assert np.array_equal(after[1].transpose([after[0].index(axis) for axis in before[0]]), before[1])


@pytest.fixture
def cached(cgkit: Cli, model: Model, tmp_path: Path) -> tuple[Cli, Path, Path]:
    return cgkit, model(), tmp_path
