"""The structure stays as small as it is, and the architecture page stays true."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def load(file: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(file.stem, file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[file.stem] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def counts() -> ModuleType:
    return load(ROOT / "docs" / "counts.py")


@pytest.mark.slow
def test_every_count_keeps_its_limit(counts: ModuleType) -> None:
    kept = [(count.name, count.value, count.limit) for count in counts.counts() if not count.holds]
    assert kept == []


def test_a_circle_of_imports_is_found_even_if_one_of_them_is_for_types_only(
    counts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "ROOT", tmp_path)
    package = tmp_path / "cgkit"
    texts = {
        "first": "from cgkit.second import x",
        "second": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from cgkit import first",
        "third": "from cgkit.first import y",
    }
    modules = {package / f"{name}.py": text for name, text in texts.items()}
    assert counts.circular_modules(modules) == {"cgkit.first", "cgkit.second"}


def test_the_plan_has_every_folder_and_no_other() -> None:
    folders = {path.parent.name for path in (ROOT / "cgkit").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/` \|", ARCHITECTURE, re.MULTILINE)) == folders


def test_every_file_that_the_page_names_exists() -> None:
    files = re.findall(r"`((?:\w+/)+\w+\.py|\w+\.py)`", ARCHITECTURE)
    assert len(files) > 30
    missing = [name for name in files if not (ROOT / "cgkit" / name).exists() and not (ROOT / name).exists()]
    assert missing == []


def test_the_ten_functions_of_the_walk_exist() -> None:
    functions = re.findall(r"^\| \d+ \| `(cgkit[\w.]+)` \|", ARCHITECTURE, re.MULTILINE)
    assert len(functions) == 10
    for dotted in functions:
        parts = dotted.split(".")
        depth = next(n for n in range(len(parts), 0, -1) if (ROOT / "/".join(parts[:n])).with_suffix(".py").exists())
        found: object = importlib.import_module(".".join(parts[:depth]))
        for name in parts[depth:]:
            found = getattr(found, name)
        assert callable(found), dotted


def test_our_own_packages_and_their_tests_import_only_what_is_public() -> None:
    inventory = load(ROOT / "docs" / "inventory.py")
    assert len(list((ROOT / "plugins").glob("cgkit-*/cgkit_*"))) == 15
    assert inventory.imports_outside(ROOT / "plugins") == []


def test_a_stranger_sees_the_public_names() -> None:
    import cgkit

    assert {"run", "Translator", "hookimpl", "load_plugins", "load_spec"} <= set(dir(cgkit))
