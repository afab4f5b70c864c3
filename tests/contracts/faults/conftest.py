"""Packages with handwritten metadata, and processes that run the command line with them installed."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from cgkit.cli import main
from cgkit.errors import CgkitWarning
from cgkit.plugins import Plugins
from tests.conftest import TINY, Result

LINEAR = '''
    import cgkit


    def linear(in_channels: int, out_channels: int, *, bias: bool = True):
        """Mix the channels of each pixel.

        Args:
            bias: add a constant to each channel.
        """
        import torch

        return torch.nn.Sequential(torch.nn.Conv2d(in_channels, out_channels, 1, bias=bias), torch.nn.Tanh())


    @cgkit.hookimpl
    def cgkit_register(registries):
        registries.generators.add("linear", linear)
'''
"""A valid plugin with a generator."""


@dataclass(frozen=True)
class Site:
    """A folder of installed packages."""

    folder: Path

    def install(
        self,
        distribution: str,
        source: str,
        *,
        version: str = "1.0",
        entry_point: str = "",
        requires: Sequence[str] = (),
    ) -> None:
        """Install a package, replacing any other version."""
        module = distribution.replace("-", "_")
        self.uninstall(distribution)
        (self.folder / f"{module}.py").write_text(dedent(source))
        metadata = self.folder / f"{module}-{version}.dist-info"
        metadata.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (metadata / "METADATA").write_text("\n".join(lines) + "\n")
        (metadata / "entry_points.txt").write_text(f"[cgkit]\n{entry_point or f'{module} = {module}'}\n")

    def uninstall(self, distribution: str) -> None:
        """Remove a package, if it is installed."""
        module = distribution.replace("-", "_")
        (self.folder / f"{module}.py").unlink(missing_ok=True)
        for metadata in self.folder.glob(f"{module}-*.dist-info"):
            for file in metadata.iterdir():
                file.unlink()
            metadata.rmdir()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    return Site(tmp_path / "site")


@pytest.fixture
def started(site: Site) -> Callable[..., Result]:
    """Run `python -m cgkit` with the site on its path; for commands that do not import torch and start fast."""

    def call(*arguments: object, **environment: str) -> Result:
        inherited = {key: value for key, value in os.environ.items() if key != "CGKIT_PLUGINS"}
        finished = subprocess.run(
            [sys.executable, "-m", "cgkit", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**inherited, "PYTHONPATH": str(site.folder), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        )
        return Result(finished.returncode, finished.stdout, finished.stderr)

    return call


@pytest.fixture(scope="session")
def _imported(plugins: Plugins) -> None:
    """Import all components once, instead of in every fork."""
    for registry in plugins.registries:
        for component in registry:
            component.load()


@pytest.fixture
def forked(site: Site, tmp_path: Path, _imported: None) -> Callable[..., Result]:
    """Run the command line in a fork of this process, which has already imported torch."""

    def call(*arguments: object, **environment: str) -> Result:
        out, err = tmp_path / "stdout", tmp_path / "stderr"
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            _run_in_child(site, list(map(str, arguments)), out, err, environment)
        _, status = os.waitpid(child, 0)
        return Result(os.waitstatus_to_exitcode(status), out.read_text(), err.read_text())

    return call


def _run_in_child(site: Site, arguments: list[str], out: Path, err: Path, environment: Mapping[str, str]) -> None:
    """Run the command line and exit with its code; never return into the test."""
    code = 1
    try:
        sys.stdout, sys.stderr = out.open("w"), err.open("w")
        os.dup2(sys.stdout.fileno(), 1)
        os.dup2(sys.stderr.fileno(), 2)
        os.environ.pop("CGKIT_PLUGINS", None)
        os.environ.update({"COLUMNS": "1000", **environment})  # so that no message is wrapped
        sys.path.insert(0, str(site.folder))
        # As in a process of its own, a warning is no error.
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", CgkitWarning)
        # Two versions installed within the same second would share cached bytecode.
        sys.dont_write_bytecode = True
        main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., Path]:
    """Write a spec that trains for two steps; `spec("linear")` uses that generator."""

    def write(generator: str = "", *, top: str = "", more: str = "", name: str = "spec.toml") -> Path:
        text = TINY.replace('name = "resnet"\nwidth = 4\nblocks = 1', f'name = "{generator}"') if generator else TINY
        text = (
            text.replace("steps = 4", "steps = 2").replace("count = 4", "count = 1").replace("train = 12", "train = 4")
        )
        (tmp_path / name).write_text(f"{top}{text}{more}")
        return tmp_path / name

    return write


def lines_with(text: str, part: str) -> list[str]:
    """Return the lines of a text that contain a part."""
    return [line for line in text.splitlines() if part in line]


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
