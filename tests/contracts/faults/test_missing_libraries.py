"""If a plugin lacks a library, the message says what to install."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.contracts.faults.conftest import LINEAR, Site, lines_with

Command = Callable[..., Result]

REQUIRES = ["torch", "opencv-nobody; extra == 'video'", 'nobodys_lpips>=1 ; extra == "perceptual"']

EXPECTED = {
    "nobodys_lpips": 'pip install "cgkit-needy[perceptual]"',
    "opencv_nobody": 'pip install "cgkit-needy[video]"',
    "undeclared_by_nobody": "pip install undeclared_by_nobody",
}


@pytest.mark.parametrize("module", EXPECTED)
def test_a_plugin_that_cannot_be_loaded_names_the_extra(module: str, site: Site, started: Command) -> None:
    site.install("cgkit-needy", f"import {module}.inner", requires=REQUIRES)
    (warning,) = lines_with(started("list-components").err, "cgkit-needy")
    assert warning.endswith(f"No module named '{module}'; {EXPECTED[module]}")


@pytest.mark.parametrize("module", EXPECTED)
def test_a_component_that_cannot_be_built_names_the_extra(
    module: str, site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path
) -> None:
    building = LINEAR.replace("        import torch\n", f"        import torch, {module}\n")
    site.install("cgkit-needy", building, requires=REQUIRES)
    result = forked("run", spec("linear"), "--output", tmp_path / "run", CGKIT_PLUGINS="cgkit-needy")
    assert result.code == 4
    (error,) = lines_with(result.err, "error:")
    assert 'generator "linear" of cgkit-needy cannot be built' in error
    assert error.endswith(f"; {EXPECTED[module]}")


def test_a_component_whose_module_cannot_be_loaded_names_the_extra(site: Site, started: Command) -> None:
    (site.folder / "needy_network.py").write_text("import nobodys_lpips\n")
    registering = (
        "import cgkit\n@cgkit.hookimpl\ndef cgkit_register(registries):\n"
        "    registries.generators.add('needy', 'needy_network:Needy', summary='Needy.')\n"
    )
    site.install("cgkit-needy", registering, requires=REQUIRES)
    result = started("describe", "generator", "needy")
    assert result.code == 4
    assert result.err.strip().endswith('; pip install "cgkit-needy[perceptual]"')


@pytest.mark.parametrize(
    "statement", ["import torch.no_such_part", "import cgkit.no_such_part", "import cgkit_needy.x"]
)
def test_nothing_is_to_be_installed_if_a_part_of_an_installed_package_is_missing(
    statement: str, site: Site, started: Command
) -> None:
    site.install("cgkit-needy", statement, requires=REQUIRES)
    (warning,) = lines_with(started("list-components").err, "cgkit-needy")
    assert "ModuleNotFoundError" in warning
    assert "pip install" not in warning


def test_a_plugin_in_one_file_names_the_library(started: Command, tmp_path: Path) -> None:
    file = tmp_path / "needy.py"
    file.write_text("import nobodys_lpips\n")
    (warning,) = lines_with(started("list-components", "--plugin", file).err, "needy.py")
    assert warning.endswith("; pip install nobodys_lpips")
