"""`cgkit plugins new --package` adds a component to a package, which stays complete: clean, tested and installable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cgkit.contracts import KINDS, kind_named
from cgkit.plugins import Plugins
from cgkit.scaffolding.extension import extend_package
from cgkit.scaffolding.packages import write_package
from tests.conftest import Result

Cli = Callable[..., Result]


def texts(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def package(tmp_path: Path, plugins: Plugins) -> Path:
    """The package cgkit-halo with the generator "halo"."""
    return write_package("halo", kind_named("generator"), tmp_path, plugins)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory, plugins: Plugins) -> Path:
    """The package cgkit-halo with a second generator, and a component of each other kind."""
    folder = write_package("halo", kind_named("generator"), tmp_path_factory.mktemp("packages"), plugins)
    for kind in KINDS:
        extend_package("soft-halo", kind, folder, plugins)
    # Metadata next to the code, as if it had been installed with `pip install -e`.
    info = folder / "cgkit_halo-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cgkit-halo\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[cgkit]\nhalo = cgkit_halo\n")
    return folder


def run_python(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_component_is_registered_and_has_a_module_and_a_test(cgkit: Cli, package: Path) -> None:
    before = texts(package)
    result = cgkit("plugins", "new", "soft-halo", "--kind", "metric", "--package", package)
    assert result.code == 0
    assert "cgkit plugins check cgkit-halo --component metric/soft-halo" in result.err
    after = texts(package)
    assert after.keys() - before.keys() == {"cgkit_halo/soft_halo_metric.py", "tests/test_soft_halo_metric.py"}
    assert [path for path in before if before[path] != after[path]] == ["cgkit_halo/__init__.py"]
    assert 'registries.metrics.add(\n        "soft-halo",' in after["cgkit_halo/__init__.py"]


def test_a_package_with_components_of_all_kinds_is_clean_and_passes_its_tests(extended: Path, tmp_path: Path) -> None:
    for check in (("check", "--extend-select", "I,UP,B,C4,SIM,PT,RUF,ANN,PTH"), ("format", "--check")):
        linted = run_python("-m", "ruff", check[0], "--no-cache", *check[1:], extended)
        assert linted.returncode == 0, linted.stdout
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={tmp_path}")
    tested = run_python("-m", "pytest", *options, extended / "tests", PYTHONPATH=str(extended))
    assert tested.returncode == 0, tested.stdout
    listed = run_python("-m", "cgkit", "list-components", PYTHONPATH=str(extended), CGKIT_PLUGINS="cgkit-halo")
    assert listed.stdout.count("soft-halo") == len(KINDS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet", 'there is already a generator "resnet" of cgkit'),
        ("halo", "already registers 'halo'"),
        ("Halo", "not a valid plugin name"),
    ],
)
def test_a_name_that_is_taken_is_refused_and_nothing_is_written(
    name: str, message: str, cgkit: Cli, package: Path
) -> None:
    before = texts(package)
    result = cgkit("--no-plugins", "plugins", "new", name, "--kind", "generator", "--package", package)
    assert result.code == 2
    assert message in result.err
    assert texts(package) == before


def test_a_name_of_an_installed_plugin_is_refused(
    cgkit: Cli, package: Path, extended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(extended))
    result = cgkit("plugins", "new", "soft-halo", "--kind", "generator", "--package", package)
    assert 'there is already a generator "soft-halo" of cgkit-halo' in result.err


def spoil_project(package: Path) -> None:
    (package / "pyproject.toml").write_text("[project]\nname = 'cgkit-halo'\n")


def spoil_hook(package: Path) -> None:
    (package / "cgkit_halo" / "__init__.py").write_text("import cgkit\n")


def occupy_test(package: Path) -> None:
    (package / "tests" / "test_soft_generator.py").write_text("mine")


def occupy_module(package: Path) -> None:
    (package / "cgkit_halo" / "soft_generator.py").write_text("mine")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_project, "pyproject.toml names no plugin"),
        (spoil_hook, "__init__.py has no function cgkit_register to extend"),
        (occupy_test, "test_soft_generator.py cannot be written: File exists"),
        (occupy_module, "soft_generator.py cannot be written: File exists"),
    ],
)
def test_a_package_that_cannot_be_extended_is_left_alone(
    spoil: Callable[[Path], None], message: str, cgkit: Cli, package: Path
) -> None:
    spoil(package)
    before = texts(package)
    result = cgkit("plugins", "new", "soft", "--kind", "generator", "--package", package)
    assert result.code == 2
    assert message in result.err
    assert texts(package) == before


def test_a_missing_dependency_is_named(cgkit: Cli, package: Path) -> None:
    project = package / "pyproject.toml"
    project.write_text(project.read_text().replace('  "torch",\n', ""))
    result = cgkit("plugins", "new", "soft", "--kind", "generator", "--package", package)
    assert "add to the dependencies in" in result.err
    assert result.err.splitlines()[1].endswith(": torch")


def test_a_folder_without_a_package_is_refused(cgkit: Cli, tmp_path: Path) -> None:
    result = cgkit("plugins", "new", "soft", "--kind", "generator", "--package", tmp_path)
    assert result.code == 2
    assert "pyproject.toml cannot be read" in result.err
