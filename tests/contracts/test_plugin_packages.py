"""The packages in `plugins/`, installed from their wheels as a user would; `cgkit/` does not refer to them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from filelock import FileLock
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "pyproject.toml").is_file())
EXAMPLES = [
    file.relative_to(ROOT)
    for file in sorted((ROOT / "examples").rglob("*.toml"))
    if "requires" in tomllib.loads(file.read_text())
]

COMMANDS = ["cgkit-optuna"]
"""Packages that add only a command, and no component."""

UNAVAILABLE = re.compile(r"no (chromium|firefox) with its \w+driver is installed|cannot be downloaded|is not installed")
"""What tests may be skipped for, because this computer lacks it."""

Python = Callable[..., subprocess.CompletedProcess[str]]


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheels of all packages into a folder, once for all test processes."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder = shared / "plugins"
    with FileLock(shared / "plugins.lock"):
        if not folder.is_dir():
            sources = [ROOT / "plugins" / package for package in PACKAGES]
            pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", shared / "wheels", *sources)
            pip("install", "--no-deps", "--no-index", "--target", folder, *sorted((shared / "wheels").glob("*.whl")))
    return folder


@pytest.fixture(scope="module")
def python(site: Path) -> Python:
    """Run Python with the packages installed: `python("-m", "cgkit", ...)`."""

    def call(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", **environment}
        variables.pop("CGKIT_PLUGINS", None)
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)

    return call


def output_of(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed, and assert that it succeeded."""
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.timeout(900)
@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_passes_its_own_tests(package: str, python: Python) -> None:
    folder = ROOT / "plugins" / package
    options = ("-q", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist", "--import-mode=importlib", "--rootdir", folder)
    output = output_of(python("-m", "pytest", *options, folder / "tests", cwd=folder))
    assert re.search(r"\d+ passed", output)
    skipped = [line for line in output.splitlines() if line.startswith("SKIPPED")]
    assert all(UNAVAILABLE.search(line) for line in skipped), skipped


def test_readmes_command_makes_a_page(python: Python, tmp_path: Path) -> None:
    (command,) = re.findall(r"^cgkit (export RUN .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    short = ["data.size=32", "data.train=4", "data.test=2", "generator.width=4", "train.steps=1", "samples.count=1"]
    settings: list[Any] = [part for setting in short for part in ("--set", setting)]
    run = ("run", ROOT / "examples" / "seasons.toml", *settings, "--output", tmp_path / "RUN")
    output_of(python("-m", "cgkit", *run, cwd=tmp_path))
    done = python("-m", "cgkit", *shlex.split(command), cwd=tmp_path)
    if "cannot be downloaded" in done.stderr:
        pytest.skip("ONNX Runtime Web cannot be downloaded")
    output_of(done)
    assert "<title>seasons" in (tmp_path / "model.html").read_text()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_declares_its_requirements_and_metadata(package: str, site: Path) -> None:
    (installed,) = [distribution for distribution in distributions(path=[str(site)]) if distribution.name == package]
    assert [point.group for point in installed.entry_points] == ["cgkit"]
    assert installed.metadata["Requires-Python"] == ">=3.11"
    assert installed.metadata["Summary"]
    requirements = [Requirement(text) for text in installed.requires or ()]
    assert "cgkit" in {requirement.name for requirement in requirements}
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            assert requirement.specifier.contains(version(requirement.name)), requirement


def test_the_packages_are_typed(site: Path) -> None:
    modules = [part for package in PACKAGES for part in ("-p", package.replace("-", "_"))]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml", *modules]
    variables = {**os.environ, "MYPYPATH": os.pathsep.join(str(ROOT / "plugins" / package) for package in PACKAGES)}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_with_all_packages_installed_all_are_ok_and_listing_imports_no_large_library(python: Python) -> None:
    statuses = json.loads(output_of(python("-m", "cgkit", "plugins", "list", "--json")))["plugins"]
    assert {status["distribution"]: status["state"] for status in statuses} == dict.fromkeys(["cgkit", *PACKAGES], "ok")
    script = (
        "import sys; sys.argv = ['cgkit', 'list-components']\n"
        "from cgkit.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "large = {'torch', 'kornia', 'numpy', 'PIL', 'mlflow', 'optuna', 'webdataset', 'litdata'} & set(sys.modules)\n"
        "assert not large, large"
    )
    listed = output_of(python("-c", script))
    assert all(f"{package} 0.1.0" in listed for package in PACKAGES if package not in COMMANDS)


def test_every_package_includes_the_conformance_kit(python: Python) -> None:
    components = json.loads(output_of(python("-m", "cgkit", "list-components", "--json")))["components"]
    providers = {component["provider"] for component in components} - {"cgkit"}
    assert providers == set(PACKAGES) - set(COMMANDS)
    for package in providers:
        tests = (ROOT / "plugins" / package / "tests" / "test_conformance.py").read_text()
        assert f'@conformance("{package}")' in tests, "without expected failures"


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
class TestAnExampleThatRequiresPlugins:
    def test_is_valid_for_editors_and_trains(self, example: Path, python: Python, tmp_path: Path) -> None:
        schema = json.loads(output_of(python("-m", "cgkit", "schema")))
        jsonschema.validate(tomllib.loads((ROOT / example).read_text()), schema, jsonschema.Draft7Validator)
        short = ["data.size=32", "data.train=4", "data.test=2", "train.steps=2", "train.batch=1", "samples.count=1"]
        settings: list[Any] = [part for setting in short for part in ("--set", setting)]
        output = tmp_path / "run"
        output_of(python("-m", "cgkit", "run", ROOT / example, *settings, "--output", output, cwd=tmp_path))
        assert json.loads((output / "status.json").read_text())["state"] == "finished"

    def test_says_what_to_install_if_they_are_missing(self, example: Path, python: Python) -> None:
        required = tomllib.loads((ROOT / example).read_text())["requires"]
        done = python("-m", "cgkit", "check", ROOT / example, PYTHONPATH="")
        assert done.returncode == 4
        assert all(f"pip install {name}" in done.stderr.replace('"', "").replace("'", "") for name in required)


def test_cgkit_does_not_refer_to_any_package() -> None:
    names = {name for package in PACKAGES for name in (package, package.replace("-", "_"))}
    advice = ROOT / "cgkit" / "packages.py"  # names packages that a message suggests to install
    for file in {*(ROOT / "cgkit").rglob("*.py")} - {advice}:
        assert not [name for name in names if name in file.read_text()], file
