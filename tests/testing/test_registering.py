"""A package that slows every command down, or prints at every command, is found by the conformance kit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

Cli = Callable[..., Result]

CHECK = "registering-is-quick-and-silent"

STEADY = """
class Steady:
    'A constant factor.'

    def __call__(self, step, steps, epoch_steps):
        return 1.0
"""

REGISTER = """
import cgkit

@cgkit.hookimpl
def cgkit_register(registries):
    registries.schedules.add("steady", "{module}_schedule:Steady", summary="A constant factor.")
    {statement}
"""


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cgkit: Cli) -> Callable[[str, str], dict[str, str]]:
    """Install a package whose hook has a statement, check it, and return the result of the check."""

    def install_and_check(package: str, statement: str) -> dict[str, str]:
        module = package.replace("-", "_")
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[cgkit]\nx = {module}\n")
        (tmp_path / f"{module}.py").write_text(REGISTER.format(module=module, statement=statement))
        (tmp_path / f"{module}_schedule.py").write_text(STEADY)
        monkeypatch.syspath_prepend(str(tmp_path))
        (result,) = [
            result
            for result in cgkit("plugins", "check", package, "--json").json["results"]
            if result["check"] == CHECK
        ]
        return result

    return install_and_check


def test_a_quick_and_silent_package_passes(check: Callable[[str, str], dict[str, str]]) -> None:
    assert check("cgkit-quick", "pass")["outcome"] == "passed"


def test_a_package_that_imports_torch_fails(check: Callable[[str, str], dict[str, str]]) -> None:
    result = check("cgkit-slow", "import torch")
    assert result["outcome"] == "failed"
    assert result["reason"].startswith("loading cgkit-slow imports torch")


def test_a_package_that_prints_fails(check: Callable[[str, str], dict[str, str]]) -> None:
    result = check("cgkit-loud", "print('welcome')")
    assert (result["outcome"], result["reason"]) == ("failed", "loading cgkit-loud prints 'welcome'")
