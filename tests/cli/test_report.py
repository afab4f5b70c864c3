from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

Cli = Callable[..., Result]


def test_a_finished_run_has_a_report_that_can_be_written_again(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = cgkit("run", tiny_spec, "--output", folder)
    assert f"the report is at {folder / 'report.html'}" in done.err
    page = (folder / "report.html").read_text()
    assert "4 of 4" in page
    (folder / "report.html").unlink()
    again = cgkit("report", folder)
    assert (again.code, again.out.strip()) == (0, str(folder / "report.html"))
    assert (folder / "report.html").read_text() == page
    elsewhere = tmp_path / "new" / "page.html"
    assert cgkit("report", folder, "--output", elsewhere).out.strip() == str(elsewhere)
    assert elsewhere.read_text() == page


def test_invalid_arguments_are_reported_and_no_file_is_overwritten(cgkit: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, code, problem in (("empty", 5, "is not a run folder"), ("nowhere", 2, "does not exist")):
        result = cgkit("report", tmp_path / name)
        assert result.code == code
        assert problem in result.err
    assert list((tmp_path / "empty").iterdir()) == []

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_text(json.dumps({"state": "running"}))
    letter = tmp_path / "letter.html"
    letter.write_text("Dear reader")
    for output in (letter, tmp_path):
        result = cgkit("report", tmp_path / "run", "--output", output)
        assert result.code == 2
        assert "is not a report" in result.err
    assert letter.read_text() == "Dear reader"
    result = cgkit("report", tmp_path / "run", "--output", letter / "page.html")
    assert result.code == 7
    assert "cannot be written" in result.err


@pytest.mark.parametrize("arguments", [["--help"], ["report", "--help"], ["list-components"]])
def test_help_and_lists_do_not_import_the_report(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom cgkit.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "assert not {'jinja2', 'PIL', 'torch', 'cgkit.report.report'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
