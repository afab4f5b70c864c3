from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from cgkit.contracts import KINDS
from tests.conftest import Result


def test_every_kind_and_every_built_in_component_is_listed(cgkit: Callable[..., Result]) -> None:
    result = cgkit("list-components")
    assert result.code == 0
    for word in (
        "generators",
        "resnet*",
        "unet",
        "patch*",
        "least-squares*",
        "bce",
        "seasons*",
        "jsonl*",
        "diff-augment",
    ):
        assert word in result.out


def test_kind_limits_the_list_to_one_kind(cgkit: Callable[..., Result]) -> None:
    for name in ("adversarial_losses", "adversarial-losses", "adversarial_loss"):
        listed = cgkit("list-components", "--kind", name, "--json").json["components"]
        assert {component["name"] for component in listed} >= {"bce", "least-squares", "hinge", "wasserstein"}
        assert {component["kind"] for component in listed} == {"adversarial_losses"}


def test_an_unknown_kind_is_rejected_with_the_known_ones(cgkit: Callable[..., Result]) -> None:
    result = cgkit("list-components", "--kind", "optimisers")
    assert result.code == 2
    assert all(kind.name in result.err for kind in KINDS)


def test_json_names_the_provider(cgkit: Callable[..., Result]) -> None:
    listed = cgkit("list-components", "--json").json["components"]
    resnet = next(component for component in listed if component["name"] == "resnet")
    assert resnet["provider"] == "cgkit"
    assert resnet["default"] is True
    assert resnet["summary"].endswith(".")


@pytest.mark.parametrize("arguments", [["--help"], ["list-components"], ["run", "--help"]])
def test_listing_and_help_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from cgkit.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'kornia', 'numpy', 'PIL', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
