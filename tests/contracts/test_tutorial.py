"""The tutorial works as written: run its commands and write its files, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "plugins" / "tutorial.md").read_text()

OFFLINE = {
    "PIP_NO_INDEX": "1",
    "PIP_NO_DEPS": "1",
    # pip takes this as the value of --build-isolation, so 0 disables it.
    "PIP_NO_BUILD_ISOLATION": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "OMP_NUM_THREADS": "1",
}
"""No downloads: the new environment finds in this one what a reader would get from the index."""

_STEP = re.compile(
    r"^(?P<before>[^\n]*)\n\n?(?P<marks>(?:<!-- [^\n]* -->\n)*)```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_FILE = re.compile(r"(?:Replace the content of|Write this to) `([^`]+)`:$")


@dataclass(frozen=True)
class Step:
    """A command to run, or a file to write."""

    text: str
    file: str | None = None
    code: int = 0


@dataclass
class Terminal:
    """A shell that keeps its folder and variables from one command to the next."""

    folder: Path
    state: Path
    variables: dict[str, str] = field(default_factory=dict)

    def type(self, command: str) -> tuple[int, str]:
        """Run a command; return its exit code and its output."""
        script = f'{command}\ncode=$?\npwd > "$STATE/folder"\nenv -0 > "$STATE/variables"\nexit $code'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env={**self.variables, "STATE": str(self.state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.folder = Path((self.state / "folder").read_text().rstrip("\n"))
        pairs = (self.state / "variables").read_text().split("\0")
        self.variables = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return done.returncode, done.stdout


def steps() -> Iterator[Step]:
    for match in _STEP.finditer(TUTORIAL):
        file = _FILE.search(match["before"])
        if match["language"] == "sh" and "not run" not in match["marks"]:
            code = re.search(r"<!-- exits: (\d+) -->", match["marks"])
            for line in match["text"].splitlines():
                # A clone of cgkit is installed in this environment already.
                yield Step(line.replace("PATH_TO_CGKIT", "cgkit"), code=int(code[1]) if code else 0)
        elif file:
            yield Step(match["text"], file=file[1])
        else:
            assert match["language"] == "text" or "not run" in match["marks"], match["text"]


def share_packages(venv: Path) -> None:
    """Make the packages of this environment available in a new one, as if they had been downloaded."""
    (site,) = venv.glob("lib/python*/site-packages")
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    lines = [f"import site; site.addsitedir({folder!r})" for folder in sorted(folders)]
    (site / "this_environment.pth").write_text("\n".join(lines) + "\n")
    for command in entry_points(group="console_scripts"):
        if command.name in ("cgkit", "pytest"):
            script = venv / "bin" / command.name
            script.write_text(f"#!{venv}/bin/python\nfrom {command.module} import {command.attr} as main\nmain()\n")
            script.chmod(0o755)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the output of each command of the tutorial, and the working folder at the end as "folder"."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "CGKIT_"))}
    inherited.pop("VIRTUAL_ENV", None)
    folder = tmp_path_factory.mktemp("empty")
    terminal = Terminal(folder, tmp_path_factory.mktemp("state"), {**inherited, **OFFLINE})
    output: dict[str, str] = {}
    for step in steps():
        if step.file:
            (terminal.folder / step.file).write_text(step.text)
            continue
        code, output[step.text] = terminal.type(step.text)
        assert code == step.code, f"$ {step.text}\n{output[step.text]}"
        if step.text == "python -m venv .venv":
            share_packages(folder / ".venv")
    assert Path(terminal.variables["VIRTUAL_ENV"]) == folder / ".venv"
    return {**output, "folder": str(terminal.folder)}


def test_the_tutorial_has_the_expected_steps() -> None:
    commands = [step.text for step in steps() if step.file is None]
    for expected in (
        "cgkit plugins new dilated --kind generator",
        'pip install -e ".[test]"',
        "cgkit list-components --kind generators",
        "cgkit describe generator dilated",
        "cgkit plugins check cgkit-dilated",
        "pytest",
        "cgkit run spec.toml",
    ):
        assert expected in commands
    files = [step.file for step in steps() if step.file]
    assert files == ["cgkit_dilated/generator.py", "tests/test_generator.py", "spec.toml"]


def test_following_the_tutorial_to_the_letter_works(printed: dict[str, str]) -> None:
    folder = Path(printed["folder"])
    assert "dilated" in printed["cgkit list-components --kind generators"]
    assert "cgkit-dilated 0.1.0" in printed["cgkit list-components --kind generators"]
    assert "layers" in printed["cgkit describe generator dilated"]
    assert "failed" not in printed["cgkit plugins check cgkit-dilated"]
    assert " passed" in printed["pytest"]
    assert (folder / "runs" / "with-dilated" / "model").is_dir()
    assert "generator.layers" in printed["cgkit check spec.toml --set generator.layers=9"]
    assert len(list((folder / "dist").glob("cgkit_dilated-0.1.0-*.whl"))) == 1


def test_the_package_has_the_files_shown(printed: dict[str, str]) -> None:
    tree = re.search(r"```text\n(cgkit-dilated/\n.*?)```", TUTORIAL, re.DOTALL)
    assert tree
    path: list[str] = []
    for line in tree[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 4
        path = [*path[:depth], line.strip().rstrip("/")]
        assert Path(printed["folder"]).parent.joinpath(*path).exists(), path


def test_the_package_has_the_entry_point_shown(printed: dict[str, str]) -> None:
    shown = re.search(r"```text\n(\[project\.entry-points.*?)```", TUTORIAL, re.DOTALL)
    assert shown
    assert shown[1] in (Path(printed["folder"]) / "pyproject.toml").read_text()
