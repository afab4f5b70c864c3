"""The packages under `plugins/`, installed from their wheels as a stranger would: nothing in `cgkit/` knows them."""

from __future__ import annotations

import json
import os
import re
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

HOOKS_ALONE = {"cgkit-mlflow"}
"""Packages that observe runs and bring no component."""

Python = Callable[..., subprocess.CompletedProcess[str]]


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every package's wheel is installed, made once for all test processes."""
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
    """Python where the packages are installed: `python("-m", "cgkit", ...)`."""

    def call(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        surroundings = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", **environment}
        surroundings.pop("CGKIT_PLUGINS", None)
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=surroundings, capture_output=True, text=True, check=False)

    return call


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_passes_its_own_tests(package: str, python: Python) -> None:
    folder = ROOT / "plugins" / package
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--import-mode=importlib", "--rootdir", folder)
    # Every package is installed, and what one of them observes takes time in the runs of the others.
    alone = {} if package == "cgkit-mlflow" else {"CGKIT_MLFLOW": "0"}
    told = succeeded(python("-m", "pytest", *options, folder / "tests", cwd=folder, **alone))
    assert re.search(r"\d+ passed", told)
    assert "skipped" not in told.splitlines()[-1]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_needs_and_what_it_is(package: str, site: Path) -> None:
    (found,) = [one for one in distributions(path=[str(site)]) if one.name == package]
    assert [point.group for point in found.entry_points] == ["cgkit"]
    assert found.metadata["Requires-Python"] == ">=3.11"
    assert found.metadata["Summary"]
    needed = [Requirement(text) for text in found.requires or ()]
    assert "cgkit" in {requirement.name for requirement in needed}
    for requirement in needed:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            assert requirement.specifier.contains(version(requirement.name)), requirement


def test_the_packages_are_typed(site: Path) -> None:
    modules = [part for package in PACKAGES for part in ("-p", package.replace("-", "_"))]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml", *modules]
    surroundings = {**os.environ, "MYPYPATH": os.pathsep.join(str(ROOT / "plugins" / package) for package in PACKAGES)}
    done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_with_all_of_them_installed_all_are_well_and_listing_imports_nothing_heavy(python: Python) -> None:
    statuses = json.loads(succeeded(python("-m", "cgkit", "plugins", "list", "--json")))["plugins"]
    assert {status["distribution"]: status["state"] for status in statuses} == dict.fromkeys(["cgkit", *PACKAGES], "ok")
    script = (
        "import sys; sys.argv = ['cgkit', 'list-components']\n"
        "from cgkit.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'kornia', 'numpy', 'PIL', 'mlflow', 'webdataset', 'litdata'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    listed = succeeded(python("-c", script))
    assert all(f"{package} 0.1.0" in listed for package in PACKAGES if package not in HOOKS_ALONE)


def test_every_package_that_brings_components_holds_the_conformance_kit(python: Python) -> None:
    components = json.loads(succeeded(python("-m", "cgkit", "list-components", "--json")))["components"]
    bringing = {component["provider"] for component in components} - {"cgkit"}
    assert bringing == set(PACKAGES) - HOOKS_ALONE
    for package in bringing:
        tests = (ROOT / "plugins" / package / "tests" / "test_conformance.py").read_text()
        assert f'@conformance("{package}")' in tests, "without expected failures"


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
class TestAnExampleThatRequiresPlugins:
    def test_is_valid_for_editors_and_trains(self, example: Path, python: Python, tmp_path: Path) -> None:
        schema = json.loads(succeeded(python("-m", "cgkit", "schema")))
        jsonschema.validate(tomllib.loads((ROOT / example).read_text()), schema, jsonschema.Draft7Validator)
        short = ["data.size=32", "data.train=4", "data.test=2", "train.steps=2", "train.batch=1", "samples.count=1"]
        settings: list[Any] = [part for one in short for part in ("--set", one)]
        output = tmp_path / "run"
        succeeded(python("-m", "cgkit", "run", ROOT / example, *settings, "--output", output, cwd=tmp_path))
        assert json.loads((output / "status.json").read_text())["state"] == "finished"

    def test_tells_someone_without_them_what_to_install(self, example: Path, python: Python) -> None:
        required = tomllib.loads((ROOT / example).read_text())["requires"]
        done = python("-m", "cgkit", "check", ROOT / example, PYTHONPATH="")
        assert done.returncode == 4
        assert all(f"pip install {name}" in done.stderr.replace('"', "").replace("'", "") for name in required)


def test_the_toolkit_names_none_of_them() -> None:
    names = {name for package in PACKAGES for name in (package, package.replace("-", "_"))}
    for file in (ROOT / "cgkit").rglob("*.py"):
        assert not [name for name in names if name in file.read_text()], file
