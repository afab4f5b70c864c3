"""What the sources `slides` and `stacks` show in training, and which folders they refuse."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from cgkit_microscopy.finding import Found, hold_out
from cgkit_microscopy.slide_source import Slides
from cgkit_microscopy.stack_source import Stacks
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cgkit.contracts import Domain
from cgkit.errors import DataError

from .conftest import SPEC, values_of
from .test_slides import write_svs

Cli = Callable[..., tuple[int, str]]

WHITE = np.full((480, 720, 3), 240, np.uint8)


def images(domain: Domain) -> list[NDArray[Any]]:
    return [np.load(io.BytesIO(domain[index].encoded())) for index in range(len(domain))]  # type: ignore[misc]


def files_of(domain: Domain) -> set[str]:
    return {domain[index].name.rpartition("/")[0] for index in range(len(domain))}


def with_tissue(top: int, left: int, side: int = 240) -> NDArray[np.uint8]:
    """Return a white slide with a stained square."""
    image = WHITE.copy()
    image[top : top + side, left : left + side] = (200, 90, 150)
    return image


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    for domain in "ab":
        for number in range(3):
            write_svs(tmp_path / domain / f"{domain}{number}.svs", with_tissue(0, 240))
    return tmp_path


def source(folder: Path, **options: Any) -> Slides:
    return Slides((64, 64), a=folder / "a", b=folder / "b", **{"held_out": 0.3, **options})


def test_windows_show_tissue(slides: Path) -> None:
    windows = source(slides, window=120, tissue=0.9, held_out=0).train()[0]
    assert len(windows) == 3 * 4
    assert all(np.array_equal(image, np.broadcast_to((200, 90, 150), (120, 120, 3))) for image in images(windows))
    assert len(source(slides, window=120, tissue=0, held_out=0).train()[0]) == 3 * 24


def test_windows_are_read_at_the_level_with_pixels_of_that_size(slides: Path) -> None:
    windows = source(slides, mpp=2.0, window=60, held_out=0).train()[0]
    assert [windows[index].name for index in range(len(windows))] == [f"a{number}/60-0.npy" for number in range(3)]
    assert images(windows)[0].shape == (60, 60, 3)


def test_slides_are_held_out_with_all_their_windows(slides: Path) -> None:
    both = source(slides)
    for train, test in zip(both.train(), both.test(), strict=True):
        assert (len(files_of(train)), len(files_of(test))) == (2, 1)
        assert not files_of(train) & files_of(test)


@given(share=st.floats(0.05, 0.95), in_both=st.integers(0, 6), only_a=st.integers(0, 6), only_b=st.integers(0, 6))
def test_a_specimen_of_both_domains_is_never_trained_on_and_tested_on(
    share: float, in_both: int, only_a: int, only_b: int
) -> None:
    def found(names: list[str]) -> list[Found]:
        return [Found(Path(name), name) for name in names]

    both = [f"both-{number}.svs" for number in range(in_both)]
    a, b = (found([*both, *(f"{side}-{n}.svs" for n in range(own))]) for side, own in (("a", only_a), ("b", only_b)))
    if min(len(a), len(b)) < 2:
        return
    splits = hold_out(a, b, share, (Path("a"), Path("b")))
    trained, tested = ({file.stem for split in splits for file in split[part]} for part in (0, 1))
    assert not trained & tested
    for split, files in zip(splits, (a, b), strict=True):
        assert len(split[0]) + len(split[1]) == len(files)
        assert split[0]
        assert split[1]


def test_a_slide_without_such_a_level_is_refused(slides: Path) -> None:
    with pytest.raises(DataError, match=r"a0.svs: its nearest level has 0.499 micrometres per pixel, not 0.25"):
        source(slides, mpp=0.25)


def test_slides_of_another_scale_are_refused(slides: Path) -> None:
    other = slides / "b" / "b0.svs"
    other.write_bytes(other.read_bytes().replace(b"MPP = 0.4990", b"MPP = 0.2500"))
    with pytest.raises(DataError, match=r"a pixel is 0.25 micrometres wide in .*b0.svs, but 0.499 in") as error:
        source(slides)
    assert "set mpp in place of level" in (error.value.hint or "")


def test_slides_without_tissue_are_refused(slides: Path) -> None:
    for file in (slides / "a").iterdir():
        write_svs(file, WHITE)
    with pytest.raises(DataError, match="no window of 64 pixels shows 30% of tissue"):
        source(slides)


def test_a_single_file_cannot_be_split(slides: Path) -> None:
    for number in (1, 2):
        (slides / "a" / f"a{number}.svs").unlink()
    with pytest.raises(DataError, match="has only one file, a0, which cannot be both trained on and held out"):
        source(slides)
    assert files_of(source(slides, held_out=0).test()[0]) == {"a0"}


@pytest.mark.parametrize("axes", ["TCZYX", "ZCYX"])
def test_every_plane_of_a_stack_is_an_image(tmp_path: Path, axes: str) -> None:
    lengths = {"T": 2, "C": 3, "Z": 4, "Y": 20, "X": 24}
    for domain in "ab":
        (tmp_path / domain).mkdir()
        for number in range(2):
            values = np.random.default_rng(number).integers(0, 200, [lengths[axis] for axis in axes]).astype(np.uint16)
            tifffile.imwrite(
                tmp_path / domain / f"{domain}{number}.ome.tif",
                values,
                photometric="minisblack",
                metadata={"axes": axes},
            )
    stacks = Stacks((16, 16), a=tmp_path / "a", b=tmp_path / "b", select=(2,), held_out=0)
    shown = np.stack(images(stacks.train()[0]))[..., 0]
    values = values_of(tmp_path / "a" / "a0.ome.tif")[1].take(1, axes.index("C")).reshape(-1, 20, 24)
    assert np.array_equal(shown[: len(values)], values)
    merged = Stacks((16, 16), a=tmp_path / "a", b=tmp_path / "b", channels_are="bands", held_out=0).train()[0]
    assert images(merged)[0].shape == (20, 24, 3)
    assert len(merged) == 2 * len(values)


def test_a_model_translates_slides_at_the_level_that_it_was_trained_at(
    cgkit: Cli, slides: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(slides)
    text = SPEC.replace("CHANNELS", "3").replace("RANGE", "[0, 255]").replace("GENERATOR", 'name = "same"')
    text = text.replace('source = "folder"', 'source = "slides"\nmpp = 2.0\nwindow = 60\nheld_out = 0.3')
    (slides / "spec.toml").write_text(text)
    for arguments in (("check", "spec.toml"), ("run", "spec.toml", "--output", "run")):
        code, messages = cgkit(*arguments)
        assert code == 0, messages
    code, messages = cgkit("translate", "run", "a", "--output", "out")
    assert code == 0, messages
    with tifffile.TiffFile("out/a0.ome.tif") as file:
        assert file.series[0].shape == (120, 180, 3)


def test_a_model_translates_the_channels_that_it_was_trained_on(cgkit: Cli, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for domain in "ab":
        (tmp_path / domain).mkdir()
        for number in range(3):
            values = np.random.default_rng(number).integers(0, 200, (4, 3, 20, 24)).astype(np.uint8)
            options: Any = {"photometric": "minisblack", "metadata": {"axes": "ZCYX"}}
            tifffile.imwrite(tmp_path / domain / f"{domain}{number}.ome.tif", values, **options)
    text = SPEC.replace("CHANNELS", "1").replace("RANGE", "[0, 255]").replace("GENERATOR", 'name = "same"')
    (tmp_path / "spec.toml").write_text(text.replace('source = "folder"', 'source = "stacks"\nselect = [3]'))
    code, messages = cgkit("run", "spec.toml", "--output", "run")
    assert code == 0, messages
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "finished"
    code, messages = cgkit("translate", "run", "a/a0.ome.tif", "--output", "out")
    assert code == 0, messages
    assert "channels 1, 2 are left out" in messages
    assert np.array_equal(values_of(Path("out/a0.ome.tif"))[1], values_of(Path("a/a0.ome.tif"))[1][:, 2])
