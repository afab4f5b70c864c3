"""A folder where a file is to be written is refused; names with line breaks forge no messages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

Cli = Callable[..., Result]
FORGED = "a\nerror: the disk is on fire"


@pytest.mark.parametrize(
    "command",
    [
        ("init", "--output", "FOLDER"),
        ("init", "--output", "FOLDER", "--force"),
        ("schema", "--output", "FOLDER"),
        ("schema", "--output", "FOLDER/file/spec.schema.json"),
        ("init", "--output", "FOLDER/file/spec.toml"),
        ("init", "--output", "FOLDER/" + 300 * "x"),
        ("schema", "--output", "FOLDER/" + 300 * "x"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_error(cgkit: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("kept")
    result = cgkit(*(part.replace("FOLDER", str(tmp_path)) for part in command))
    assert result.code in (2, 7), result.err
    assert [line for line in result.err.splitlines() if line.startswith("error: ")] == [result.err.splitlines()[-1]]
    assert "Traceback" not in result.err
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


def test_an_emptied_report_is_written_again(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
    assert cgkit("run", tiny_spec, "--output", tmp_path / "run").code == 0
    page = tmp_path / "run" / "report.html"
    os.truncate(page, 0)
    assert cgkit("report", tmp_path / "run").code == 0
    assert page.stat().st_size > 1000


def test_names_with_line_breaks_forge_no_messages(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / FORGED
    folder.mkdir()
    (folder / "x.png").write_text("no image")
    (folder / "x.txt").write_text("")
    spec = tiny_spec.read_text().replace('source = "seasons"', 'source = "folder"\na = "A"\nb = "B"')
    (folder / "spec.toml").write_text(spec.replace("train = 12\ntest = 4\n", ""))
    for command in (
        ("run", folder / "none.toml"),
        ("run", tiny_spec, "--output", folder / "x.txt"),
        ("report", folder),
        ("report", folder / "none"),
        ("watch", folder),
        ("runs", folder),
        ("runs", folder / "none"),
        ("compare", folder, folder / "b"),
        ("translate", folder, folder, "--output", tmp_path / "out"),
        ("evaluate", folder),
        ("export", folder, "--format", "onnx", "--output", tmp_path / "o.onnx"),
        ("import", folder / "x.png", "--output", tmp_path / "model"),
        ("check", folder / "spec.toml"),
        ("init", folder, folder, "--output", tmp_path / "new.toml"),
        ("schema", "--output", folder),
        ("plugins", "check", folder / "none.py"),
    ):
        result = cgkit(*command)
        assert "Traceback" not in result.err, command
        lines = [line for line in (result.err + result.out).splitlines() if line.startswith("error: the disk")]
        assert lines == [], (command, result.err)
