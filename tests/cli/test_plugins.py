"""A failing plugin stops only what needs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

Cli = Callable[..., Result]


@pytest.fixture
def broken_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    info = site / "cgkit_broken-2.1.dist-info"
    info.mkdir(parents=True)
    (site / "cgkit_broken.py").write_text("import a_package_that_nobody_has\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cgkit-broken\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text("[cgkit]\nbroken = cgkit_broken\n")
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("broken_plugin")
class TestAFailingPlugin:
    def test_is_reported_in_one_line_and_the_others_go_on(self, cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
        for arguments in (["list-components"], ["run", tiny_spec, "--output", tmp_path / "run"]):
            result = cgkit(*arguments)
            assert result.code == 0
            (warning,) = [line for line in result.err.splitlines() if "cgkit-broken" in line]
            assert "a_package_that_nobody_has" in warning

    def test_stops_a_spec_that_may_need_it_with_exit_code_4(self, cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
        result = cgkit("run", tiny_spec, "--output", tmp_path / "run", "--set", "generator.name=transformer")
        assert result.code == 4
        (error,) = [line for line in result.err.splitlines() if line.startswith("error:")]
        assert "transformer" in error
        assert "cgkit-broken" in error
        assert not (tmp_path / "run").exists()

    def test_can_be_left_out(self, cgkit: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "cgkit-broken" not in cgkit("--no-plugins", "list-components").err
        monkeypatch.setenv("CGKIT_PLUGINS", "")
        assert "cgkit-broken" not in cgkit("list-components").err
