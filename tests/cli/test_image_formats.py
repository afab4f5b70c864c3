"""Files of a plugin's format are read and written by every command, like those that cgkit knows itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TINY, Result

Cli = Callable[..., Result]

# A terminal shows these warnings; they do not end a command.
pytestmark = pytest.mark.filterwarnings("always::cgkit.errors.CgkitWarning")

PLUGIN = '''
import numpy as np
import cgkit
from cgkit.contracts import ImageHeader, OpenImage


class Strip:
    """Rows of RGB bytes after a first line.

    Args:
        note: a text to write into the first line.
    """

    suffixes = (".strip",)

    def __init__(self, *, note: str = "plain") -> None:
        self.note = note

    def recognises(self, start):
        return start.startswith(b"strip ")

    def open(self, stream, reading):
        _, width, height, note = stream.readline(100).split()
        header = ImageHeader(int(width), int(height), 3, "STRIP")

        def decode():
            return np.frombuffer(stream.read(), np.uint8).reshape(header.height, header.width, 3)

        return OpenImage(header, decode, lambda: b"after " + note)

    def holds(self, channels, depth, alpha):
        return channels == 3 and depth == "uint8"

    def write(self, stream, values, *, alpha, carry):
        note = b"-".join((carry or b"").split()) or self.note.encode()
        stream.write(b"strip %d %d %s\\n" % (values.shape[1], values.shape[0], note) + values.tobytes())


@cgkit.hookimpl
def cgkit_register(registries):
    registries.formats.add("strip", Strip)
'''

SECOND = PLUGIN.replace('add("strip"', 'add("ribbon"')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two plugins and two folders of images of their format."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CGKIT_PLUGINS", "")
    (tmp_path / "strip.py").write_text(PLUGIN)
    (tmp_path / "ribbon.py").write_text(SECOND)
    draws = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(5):
            pixels = draws.integers(0, 256, (20, 24, 3), np.uint8).tobytes()
            (tmp_path / name / f"{number}.strip").write_bytes(b"strip 24 20 mine\n" + pixels)
    text = TINY.replace('source = "seasons"', 'source = "folder"\na = "a"\nb = "b"').replace(
        "workers = 0", "workers = 1"
    )
    (tmp_path / "spec.toml").write_text(text.replace("train = 12\ntest = 4\n", "") + '\n[[metric]]\nname = "cycle"\n')
    return tmp_path


def first_line(file: Path) -> bytes:
    return file.read_bytes().partition(b"\n")[0]


@pytest.mark.usefixtures("folder")
class TestAPluginsFormat:
    def test_is_surveyed_checked_trained_on_evaluated_and_translated(self, cgkit: Cli) -> None:
        plugin = ("--plugin", "strip.py")
        started = cgkit("init", "a", "b", "--output", "started.toml", *plugin)
        assert started.code == 0, started.err
        assert "a: 5 images, shorter side 20 pixels, colour" in started.err
        checked = cgkit("check", "spec.toml", *plugin)
        assert checked.code == 0, checked.err
        assert "24x20" in checked.out
        assert cgkit("run", "spec.toml", "--output", "run", *plugin).code == 0
        assert cgkit("evaluate", "run", *plugin).code == 0
        assert cgkit("translate", "run", "a", "--output", "out", *plugin).code == 0
        assert sorted(file.name for file in Path("out").glob("*.strip")) == [f"{number}.strip" for number in range(5)]

    def test_passes_on_what_a_file_says_only_to_files_of_the_same_format(self, cgkit: Cli) -> None:
        plugin = ("--plugin", "strip.py")
        assert cgkit("run", "spec.toml", "--output", "run", *plugin).code == 0
        assert cgkit("translate", "run", "a/0.strip", "--output", "out", *plugin).code == 0
        assert first_line(Path("out/0.strip")) == b"strip 24 20 after-mine"
        as_png = cgkit("translate", "run", "a/0.strip", "--output", "png", "--format", "png", *plugin)
        assert as_png.code == 0
        assert "a translation to PNG loses what its .strip file says besides its pixels" in as_png.err
        assert cgkit("translate", "run", "png/0.png", "--output", "back", "--format", "strip", *plugin).code == 0
        assert first_line(Path("back/0.strip")) == b"strip 24 20 plain"

    def test_has_the_options_of_the_spec_the_model_was_trained_with(self, cgkit: Cli, folder: Path) -> None:
        with (folder / "spec.toml").open("a") as spec:
            spec.write('\n[[format]]\nname = "strip"\nnote = "ours"\n')
        plugin = ("--plugin", "strip.py")
        assert cgkit("run", "spec.toml", "--output", "run", *plugin).code == 0
        assert cgkit("translate", "run", "a/0.strip", "--output", "png", "--format", "png", *plugin).code == 0
        assert cgkit("translate", "run", "png/0.png", "--output", "back", "--format", "strip", *plugin).code == 0
        assert first_line(Path("back/0.strip")) == b"strip 24 20 ours"

    def test_is_unknown_without_the_plugin(self, cgkit: Cli) -> None:
        result = cgkit("check", "spec.toml")
        assert result.code == 3
        assert "a contains no images: none of its 5 files ends in .png" in result.err


class TestTwoFormatsForTheSameFiles:
    def test_are_an_error_that_names_both(self, cgkit: Cli, folder: Path) -> None:
        result = cgkit("check", "spec.toml", "--plugin", "strip.py", "--plugin", "ribbon.py")
        assert result.code == 3
        assert "RIBBON of ribbon.py" in result.err
        assert "STRIP of strip.py" in result.err
        assert str(Path("a") / "0.strip") in result.err or "0.strip" in result.err

    def test_are_told_apart_by_the_spec(self, cgkit: Cli, folder: Path) -> None:
        with (folder / "spec.toml").open("a") as spec:
            spec.write('\n[[format]]\nname = "ribbon"\n')
        assert cgkit("check", "spec.toml", "--plugin", "strip.py", "--plugin", "ribbon.py").code == 0


class TestAFormatThatCannotBeLoaded:
    @pytest.fixture(autouse=True)
    def _broken(self, folder: Path) -> None:
        (folder / "strip.py").write_text(PLUGIN.replace('"strip", Strip', '"strip", "missing_module:Strip"'))

    def test_is_named_if_a_file_is_not_recognised(self, cgkit: Cli, folder: Path) -> None:
        for file in folder.glob("[ab]/*"):
            file.rename(file.with_suffix(".png"))
        result = cgkit("check", "spec.toml", "--plugin", "strip.py")
        assert result.code == 3
        assert "0.png: not an image in a supported format" in result.err
        assert 'format "strip" of strip.py is not available' in result.err

    def test_is_named_if_a_folder_has_no_other_files(self, cgkit: Cli) -> None:
        for command in (("check", "spec.toml"), ("init", "a", "b", "--output", "new.toml")):
            result = cgkit(*command, "--plugin", "strip.py")
            assert result.code == 3
            assert "a contains no images" in result.err
            assert 'format "strip" of strip.py is not available' in result.err

    def test_does_not_matter_to_other_files(self, cgkit: Cli, tiny_text: str) -> None:
        Path("spec.toml").write_text(tiny_text)
        assert cgkit("check", "spec.toml", "--plugin", "strip.py").code == 0

    def test_is_an_error_if_the_spec_names_it(self, cgkit: Cli, folder: Path) -> None:
        with (folder / "spec.toml").open("a") as spec:
            spec.write('\n[[format]]\nname = "strip"\n')
        result = cgkit("check", "spec.toml", "--plugin", "strip.py")
        assert result.code == 4
        assert 'format "strip" of strip.py cannot be loaded' in result.err


@pytest.mark.parametrize(
    ("before", "after", "code", "message"),
    [
        ("        self.note = note", '        raise ValueError("a note is a word")', 2, "format.0: a note is a word"),
        ('        return start.startswith(b"strip ")', "        return start[0] // 0", 4, "'strip' of strip.py"),
        ('    suffixes = (".strip",)', '    suffixes = ".strip"', 4, "in a tuple which suffixes"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_broken_format_is_an_error_without_a_traceback(
    cgkit: Cli, before: str, after: str, code: int, message: str
) -> None:
    assert before in PLUGIN
    Path("strip.py").write_text(PLUGIN.replace(before, after))
    with Path("spec.toml").open("a") as spec:
        spec.write('\n[[format]]\nname = "strip"\n')
    result = cgkit("check", "spec.toml", "--plugin", "strip.py")
    assert result.code == code
    assert message in result.err


@pytest.mark.usefixtures("folder")
def test_a_file_that_cannot_be_written_is_reported_and_the_old_one_stays(cgkit: Cli) -> None:
    plugin = ("--plugin", "strip.py")
    assert cgkit("run", "spec.toml", "--output", "run", *plugin).code == 0
    assert cgkit("translate", "run", "a/0.strip", "--output", "out", *plugin).code == 0
    before = Path("out/0.strip").read_bytes()
    Path("strip.py").write_text(PLUGIN.replace("        note = b", "        raise KeyError('ink')\n        note = b"))
    result = cgkit("translate", "run", "a/0.strip", "--output", "out", "--overwrite", *plugin)
    assert result.code == 3
    assert "0.strip: cannot be written as STRIP: KeyError: 'ink'" in result.err
    assert Path("out/0.strip").read_bytes() == before
