"""A format may translate files that are more than an image, such as volumes: whole files, and whole folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Result

Cli = Callable[..., Result]

STACKS = '''
import io
import numpy as np
import cgkit
from cgkit.contracts import ImageHeader
from cgkit.errors import DataError

class Stack:
    """Stacks of grey images in one .stack file, or in a folder of .slice files."""

    suffixes = (".stack", ".v.slice")

    def recognises(self, start):
        return start.startswith(b"STACK")

    def open(self, stream, reading):
        raise DataError("is a stack, not an image")

    def holds(self, channels, depth, alpha):
        return False

    def write(self, stream, values, *, alpha, carry):
        raise NotImplementedError

    def whole(self, path):
        return any(path.glob("*.v.slice")) if path.is_dir() else path.suffix == ".stack"

    def translate(self, source, target, model, progress):
        files = sorted(source.glob("*.v.slice")) if source.is_dir() else [source]
        stack = np.concatenate([np.load(io.BytesIO(file.read_bytes()[5:])) for file in files])
        header = ImageHeader(stack.shape[2], stack.shape[1], 1, "STACK", "uint8", "grey")
        images = [model.to_unit(one[..., None], header) for one in stack]
        statistics = model.statistics()
        for image in images[: model.samples]:
            with statistics.collecting():
                model.translate(image[None])
        slices = []
        for number, image in enumerate(images):
            with statistics.frozen():
                slices.append(model.to_values(model.translate(image[None])[0])[None, ..., 0])
            progress((number + 1) / len(images))
        for number, file in enumerate(files):
            part = np.concatenate(slices) if len(files) == 1 else slices[number]
            written = io.BytesIO()
            np.save(written, part)
            path = target / file.name if source.is_dir() else target
            path.write_bytes(b"STACK" + written.getvalue())
        return ["the colours of a stack are lost"]

@cgkit.hookimpl
def cgkit_register(registries):
    registries.formats.add("stack", Stack)
'''


pytestmark = pytest.mark.filterwarnings("always::cgkit.errors.CgkitWarning")


def write_stack(path: Path, slices: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(b"STACK")
        np.save(stream, slices)


def read_stack(path: Path) -> NDArray[np.uint8]:
    with path.open("rb") as stream:
        assert stream.read(5) == b"STACK"
        return np.load(stream)  # type: ignore[no-any-return]


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "stacks.py"
    file.write_text(STACKS)
    return file


@pytest.fixture
def slices() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, 24, 20), dtype=np.uint8)


@pytest.fixture
def model(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> Path:
    grey = ("--set", "data.channels=1")
    assert cgkit("run", tiny_spec, *grey, "--output", tmp_path / "run").code == 0
    return tmp_path / "run"


def test_a_stack_is_translated_by_its_format_as_a_whole(
    cgkit: Cli, plugin: Path, model: Path, tmp_path: Path, slices: NDArray[np.uint8]
) -> None:
    write_stack(tmp_path / "in" / "one.stack", slices)
    result = cgkit("--plugin", plugin, "translate", model, tmp_path / "in", "--output", tmp_path / "out")
    assert result.code == 0
    assert "one.stack: the colours of a stack are lost" in result.err
    translated = read_stack(tmp_path / "out" / "one.stack")
    assert (translated.shape, translated.dtype) == (slices.shape, slices.dtype)
    assert not np.array_equal(translated, slices)
    again = cgkit("--plugin", plugin, "translate", model, tmp_path / "in", "--output", tmp_path / "out")
    assert "1 already translated" in again.err


def test_a_format_for_images_does_not_apply_to_a_whole(
    cgkit: Cli, plugin: Path, model: Path, tmp_path: Path, slices: NDArray[np.uint8]
) -> None:
    write_stack(tmp_path / "one.stack", slices)
    arguments = (tmp_path / "one.stack", "--output", tmp_path / "out", "--format", "png")
    result = cgkit("--plugin", plugin, "translate", model, *arguments)
    assert result.code == 0
    assert "is written as one.stack: .png is only for images" in result.err


def test_a_folder_can_be_a_whole(
    cgkit: Cli, plugin: Path, model: Path, tmp_path: Path, slices: NDArray[np.uint8]
) -> None:
    for number, one in enumerate(slices):
        write_stack(tmp_path / "in" / "patient" / f"{number}.v.slice", one[None])
    write_stack(tmp_path / "in" / "one.stack", slices)
    result = cgkit("--plugin", plugin, "translate", model, tmp_path / "in", "--output", tmp_path / "out")
    assert result.code == 0
    parts = [read_stack(file) for file in sorted((tmp_path / "out" / "patient").iterdir())]
    assert np.array_equal(np.concatenate(parts), read_stack(tmp_path / "out" / "one.stack"))


def test_nothing_of_a_folder_that_is_a_whole_is_ignored(
    cgkit: Cli, plugin: Path, model: Path, tmp_path: Path, slices: NDArray[np.uint8]
) -> None:
    plugin.write_text(STACKS.replace('(".stack", ".v.slice")', '(".stack",)'))
    for number, one in enumerate(slices):
        write_stack(tmp_path / "patient" / f"{number}.v.slice", one[None])
    result = cgkit("--plugin", plugin, "translate", model, tmp_path / "patient", "--output", tmp_path / "out")
    assert result.code == 0, result.err
    assert "ignored" not in result.err
    assert len(list((tmp_path / "out" / "patient").iterdir())) == 3


def test_a_damaged_stack_is_reported_and_leaves_nothing(
    cgkit: Cli, plugin: Path, model: Path, tmp_path: Path, slices: NDArray[np.uint8]
) -> None:
    write_stack(tmp_path / "in" / "good.stack", slices)
    (tmp_path / "in" / "bad.stack").write_bytes(b"STACK" + bytes(100))
    result = cgkit("--plugin", plugin, "translate", model, tmp_path / "in", "--output", tmp_path / "out")
    assert result.code != 0
    assert "bad.stack: " in result.err
    assert [file.name for file in (tmp_path / "out").glob("[!.]*")] == ["good.stack"]


def test_one_stack_can_be_written_to_a_named_file(
    cgkit: Cli, plugin: Path, model: Path, tmp_path: Path, slices: NDArray[np.uint8]
) -> None:
    write_stack(tmp_path / "one.stack", slices)
    output = tmp_path / "other.stack"
    result = cgkit("--plugin", plugin, "translate", model, tmp_path / "one.stack", "--output", output)
    assert result.code == 0, result.err
    assert read_stack(output).shape == slices.shape


def test_a_format_may_wait_until_a_spec_chooses_it(
    cgkit: Cli, plugin: Path, model: Path, tmp_path: Path, slices: NDArray[np.uint8]
) -> None:
    plugin.write_text(STACKS.replace('    suffixes = (".stack"', '    only_if_chosen = True\n    suffixes = (".stack"'))
    write_stack(tmp_path / "one.stack", slices)
    result = cgkit("--plugin", plugin, "translate", model, tmp_path / "one.stack", "--output", tmp_path / "out")
    assert result.code == 3
    assert "one.stack: not an image" in result.err


def test_a_format_may_say_with_which_suffix_a_whole_is_written(
    cgkit: Cli, plugin: Path, model: Path, tmp_path: Path, slices: NDArray[np.uint8]
) -> None:
    written_as = "    def written_as(self, path):\n        return '.v.slice'\n\n    def translate("
    plugin.write_text(STACKS.replace("    def translate(", written_as))
    write_stack(tmp_path / "in" / "one.stack", slices)
    result = cgkit("--plugin", plugin, "translate", model, tmp_path / "in", "--output", tmp_path / "out")
    assert result.code == 0, result.err
    assert read_stack(tmp_path / "out" / "one.v.slice").shape == slices.shape


def test_of_two_formats_for_a_whole_the_one_that_the_spec_names_translates_it(
    cgkit: Cli, plugin: Path, tiny_spec: Path, tmp_path: Path, slices: NDArray[np.uint8]
) -> None:
    second = 'registries.formats.add("stack", Stack)\n    registries.formats.add("second", Second)\n'
    other = (
        "class Second(Stack):\n    def translate(self, *arguments):\n        return [*super().translate(*arguments), "
    )
    other += "'translated by the second']\n\n@cgkit.hookimpl"
    text = STACKS.replace('registries.formats.add("stack", Stack)\n', second).replace("@cgkit.hookimpl", other)
    plugin.write_text(text)
    write_stack(tmp_path / "one.stack", slices)
    named = ("--set", "data.channels=1", "--set", 'format=[{name = "second"}]')
    result = cgkit("--plugin", plugin, "run", tiny_spec, *named, "--output", tmp_path / "run")
    assert result.code == 0, result.err
    result = cgkit(
        "--plugin", plugin, "translate", tmp_path / "run", tmp_path / "one.stack", "--output", tmp_path / "o"
    )
    assert result.code == 0, result.err
    assert "translated by the second" in result.err
