"""A package written from the templates is complete: it installs, is clean, passes its own tests and trains."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from cgkit.contracts import KINDS, Kind, kind_named
from cgkit.errors import UsageError
from cgkit.exchange.exporting import export_model
from cgkit.options import options_of
from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.start import run
from cgkit.scaffolding.packages import write_package
from cgkit.spec import load_spec
from tests.conftest import TINY

IN_A_SPEC = [kind for kind in KINDS if kind.in_spec]
EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.table)
ROOT = Path(__file__).parents[2]
GENERATOR = kind_named("generator")


def name_of(kind: Kind) -> str:
    return f"own-{kind.table.replace('_', '-')}"


def tool(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A package of each kind, by the table of the kind."""
    folder = tmp_path_factory.mktemp("packages")
    return {kind.table: write_package(name_of(kind), kind, folder) for kind in KINDS}


@pytest.fixture(scope="module")
def site(packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all packages are installed, outside the environment."""
    folder = tmp_path_factory.mktemp("site")
    offline = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-compile")
    tool("pip", "install", *offline, "--target", folder, *packages.values())
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("CGKIT_PLUGINS", ",".join(f"cgkit-{name_of(kind)}" for kind in KINDS))
    return load_plugins()


@EVERY_KIND
def test_all_files_of_a_package_are_written(packages: dict[str, Path], kind: Kind) -> None:
    folder = packages[kind.table]
    package = f"cgkit_{name_of(kind).replace('-', '_')}"
    assert folder.name == f"cgkit-{name_of(kind)}"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        ".github/workflows/test.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        f"{package}/__init__.py",
        f"{package}/{kind.table}.py",
        f"{package}/py.typed",
        "tests/test_contract.py",
        f"tests/test_{kind.table}.py",
    }
    assert not [path for path in folder.rglob("*") if path.is_file() and "$" in path.read_text()]


@EVERY_KIND
def test_the_installed_component_is_listed_with_documented_options(installed: Plugins, kind: Kind) -> None:
    component = installed.registries[kind.name][name_of(kind)]
    assert component.provider == f"cgkit-{name_of(kind)}"
    assert component.summary == (component.load().__doc__ or "").partition("\n")[0]
    options = options_of(component)
    assert options
    assert all(option.meaning for option in options.values())


@pytest.mark.parametrize("kind", IN_A_SPEC, ids=lambda kind: kind.table)
def test_the_spec_in_the_readme_is_valid(
    packages: dict[str, Path], installed: Plugins, kind: Kind, tmp_path: Path
) -> None:
    _, _, rest = (packages[kind.table] / "README.md").read_text().partition("```toml\n")
    spec = tmp_path / "spec.toml"
    spec.write_text(rest.partition("```")[0])
    assert name_of(kind) in str(load_spec(spec, installed).to_json())


def test_a_spec_with_a_component_of_each_kind_trains(installed: Plugins, tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(
        TINY.replace('"seasons"', '"own-source"')
        .replace('"resnet"\nwidth = 4\nblocks = 1', '"own-generator"')
        # The stripes have no ground truth, so the metric is built but not computed.
        .replace('"patch"\nwidth = 4\nlayers = 1', '"own-discriminator"')
        + "".join(f'\n[{table}]\nname = "{name}"\n' for table, name in OTHERS)
    )
    outcome = run(spec, overrides=["train.steps=1"], output=tmp_path / "run", plugins=installed)
    assert outcome.step == 1
    assert (tmp_path / "run" / "own-tracker.csv").read_text().startswith("1,")
    resolved = (tmp_path / "run" / "spec.resolved.json").read_text()
    assert all(name_of(kind) in resolved for kind in IN_A_SPEC)
    file = tmp_path / "model.safetensors"
    comparison = export_model(outcome.folder, file, format="own-exporter", plugins=installed)
    assert comparison is not None
    assert comparison.difference == 0


OTHERS = (
    ("adversarial_loss", "own-adversarial-loss"),
    ("cycle_loss", "own-reconstruction-loss"),
    ("[term]", "own-term"),
    ("[augmentation]", "own-augmentation"),
    ("optimizer", "own-optimizer"),
    ("schedule", "own-schedule"),
    ("[metric]", "own-metric"),
    ("[tracker]", "own-tracker"),
    ("[format]", "own-format"),
)


def test_the_tests_of_a_package_pass(packages: dict[str, Path], site: Path, tmp_path: Path) -> None:
    tests = [folder / "tests" for folder in packages.values()]
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "error::DeprecationWarning")
    out = tool("pytest", *options, f"--rootdir={tmp_path}", *tests, PYTHONPATH=str(site))
    assert "passed" in out
    assert "skipped" not in out


def test_a_package_is_linted_and_formatted(packages: dict[str, Path]) -> None:
    folder = next(iter(packages.values())).parent
    tool("ruff", "check", "--no-cache", "--extend-select", "I,UP,B,C4,SIM,PT,RUF,ANN,PTH,E501", folder)
    tool("ruff", "format", "--no-cache", "--check", folder)


def test_a_package_passes_strict_type_checks(packages: dict[str, Path]) -> None:
    # The test of the contract is the same in every package, and mypy takes only one module of a name.
    modules = {file.name if file.parent.name == "tests" else str(file): file for file in _modules(packages.values())}
    assert len(modules) == 3 * len(KINDS) + 1
    # In the root, for its strict settings and mypy's cache of torch.
    tool("mypy", *modules.values(), cwd=ROOT, MYPYPATH=os.pathsep.join(map(str, packages.values())))


def _modules(folders: Iterable[Path]) -> list[Path]:
    return [file for folder in folders for file in folder.rglob("*.py")]


@pytest.mark.parametrize("name", ["cgkit-halo", "halo"])
def test_the_prefix_is_optional(name: str, tmp_path: Path) -> None:
    assert write_package(name, GENERATOR, tmp_path / "new" / "folder") == tmp_path / "new" / "folder" / "cgkit-halo"


def test_a_name_may_have_several_words_and_include_the_kind(tmp_path: Path) -> None:
    folder = write_package("deep-halo-generator", GENERATOR, tmp_path)
    assert "class DeepHaloGenerator(" in (folder / "cgkit_deep_halo_generator" / "generator.py").read_text()


@pytest.mark.parametrize("length", [1, 30])
@EVERY_KIND
def test_names_of_any_length_give_formatted_files(kind: Kind, length: int, tmp_path: Path) -> None:
    folder = write_package("x" * length, kind, tmp_path)
    assert max(len(line) for file in folder.rglob("*.py") for line in file.read_text().splitlines()) <= 120


ODD = ["", "cgkit-", "-x", "x-", "x--y", "X", "a_b", "a b", "../x", "a/b", "3d", "ümlaut", "x\n", "x" * 31]
KEYWORDS = ["class", "none", "true", "match", "import"]


@pytest.mark.parametrize("name", [*ODD, *KEYWORDS])
def test_an_invalid_name_is_rejected_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not a valid plugin name|is a Python keyword"):
        write_package(name, GENERATOR, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_component_of_the_same_kind_is_rejected(tmp_path: Path, installed: Plugins) -> None:
    with pytest.raises(UsageError, match='there is already a generator "own-generator" of cgkit-own-generator'):
        write_package("own-generator", GENERATOR, tmp_path, installed)
    with pytest.raises(UsageError, match='there is already a generator "resnet" of cgkit'):
        write_package("resnet", GENERATOR, tmp_path)
    assert write_package("resnet", kind_named("metric"), tmp_path).is_dir()


def test_a_folder_that_is_not_empty_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "cgkit-halo").mkdir()
    (tmp_path / "cgkit-halo" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists and is not empty"):
        write_package("halo", GENERATOR, tmp_path)
    assert [path.name for path in (tmp_path / "cgkit-halo").iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "cgkit-halo").mkdir()
    assert (write_package("halo", GENERATOR, tmp_path) / "pyproject.toml").is_file()


def make_file(path: Path) -> None:
    path.write_text("mine")


def make_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere/at/all")


@pytest.mark.parametrize("make", [make_file, make_dangling_link])
def test_a_folder_that_cannot_be_created_is_reported(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "cgkit-halo")
    with pytest.raises(UsageError, match="cgkit-halo cannot be written"):
        write_package("halo", GENERATOR, tmp_path)


def test_writing_a_package_imports_no_torch(tmp_path: Path) -> None:
    source = (
        "import sys; from pathlib import Path; from cgkit.contracts import KINDS;"
        "from cgkit.scaffolding.packages import write_package;"
        f"write_package('halo', KINDS[0], Path({str(tmp_path)!r})); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0
