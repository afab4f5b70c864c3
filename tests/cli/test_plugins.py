"""`cgkit plugins`, and how a plugin that fails is reported."""

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
    def test_is_reported_in_one_line_and_the_rest_works(self, cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
        for arguments in (["list-components"], ["run", tiny_spec, "--output", tmp_path / "run"]):
            result = cgkit(*arguments)
            assert result.code == 0
            (warning,) = [line for line in result.err.splitlines() if "cgkit-broken" in line]
            assert "a_package_that_nobody_has" in warning

    def test_fails_a_spec_that_may_need_it_with_exit_code_4(self, cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
        result = cgkit("run", tiny_spec, "--output", tmp_path / "run", "--set", "generator.name=transformer")
        assert result.code == 4
        (error,) = [line for line in result.err.splitlines() if line.startswith("error:")]
        assert "transformer" in error
        assert "cgkit-broken" in error
        assert not (tmp_path / "run").exists()

    def test_can_be_excluded(self, cgkit: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "cgkit-broken" not in cgkit("--no-plugins", "list-components").err
        monkeypatch.setenv("CGKIT_PLUGINS", "")
        assert "cgkit-broken" not in cgkit("list-components").err


@pytest.mark.usefixtures("broken_plugin")
class TestListingPlugins:
    def test_shows_the_state_and_reason_of_each(self, cgkit: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        statuses = {status["distribution"]: status for status in cgkit("plugins", "list", "--json").json["plugins"]}
        built_in, broken = statuses["cgkit"], statuses["cgkit-broken"]
        assert (built_in["distribution"], built_in["state"]) == ("cgkit", "ok")
        assert (broken["distribution"], broken["version"], broken["state"]) == ("cgkit-broken", "2.1", "failed")
        assert "a_package_that_nobody_has" in broken["reason"]
        monkeypatch.setenv("CGKIT_PLUGINS", "")
        (blocked,) = [line for line in cgkit("plugins", "list").out.splitlines() if "cgkit-broken" in line]
        assert blocked.split()[:3] == ["blocked", "cgkit-broken", "2.1"]
        assert "not allowed by CGKIT_PLUGINS" in blocked

    def test_checking_a_plugin_that_failed_reports_why(self, cgkit: Cli) -> None:
        result = cgkit("plugins", "check", "cgkit-broken")
        assert result.code == 4
        assert "cgkit-broken could not be loaded: ModuleNotFoundError" in result.err
        assert "a_package_that_nobody_has" in result.err
        absent = cgkit("plugins", "check", "cgkit-absent")
        assert absent.code == 2
        assert "cgkit-absent" in absent.err


class TestCheckingAPlugin:
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> Path:
        """A plugin with one loss that fulfils the contract and one that does not."""
        file = tmp_path / "losses.py"
        file.write_text(
            '''
import cgkit


class Good:
    """Squared distance."""

    def __call__(self, reconstruction, target):
        return (reconstruction - target).square().mean()


class Bad(Good):
    """Squared distance, not averaged."""

    def __call__(self, reconstruction, target):
        return (reconstruction - target).square()


@cgkit.hookimpl
def cgkit_register(registries):
    registries.reconstruction_losses.add("good", Good)
    registries.reconstruction_losses.add("bad", Bad)
'''
        )
        return file

    def test_reports_the_component_the_check_and_the_reason(self, cgkit: Cli, plugin: Path) -> None:
        result = cgkit("plugins", "check", plugin.name, "--plugin", plugin)
        assert result.code == 4
        lines = result.out.splitlines()
        assert any(line.startswith("reconstruction_losses/good: ") and "failed" not in line for line in lines)
        failed = [line for line in lines if line.startswith("  FAILED")]
        assert any("scalar" in line for line in failed)

    def test_prints_a_reason_shared_by_several_checks_once(self, cgkit: Cli, tmp_path: Path) -> None:
        file = tmp_path / "gone.py"
        file.write_text(
            "import cgkit\n@cgkit.hookimpl\ndef cgkit_register(registries):\n"
            "    registries.schedules.add('gone', 'module_of_nobody:Gone', summary='Gone.')\n"
        )
        brief = cgkit("plugins", "check", file.name, "--plugin", file).out.splitlines()
        (failed,) = [line for line in brief if "module_of_nobody" in line]
        assert failed.startswith("  FAILED  can-be-built and ")
        verbose = cgkit("plugins", "check", file.name, "--plugin", file, "--verbose").out.splitlines()
        (failed,) = [line for line in verbose if "module_of_nobody" in line]
        assert "can-be-built, " in failed
        assert "can-be-pickled" in failed
        assert "  ok  has-a-summary-of-one-sentence" in verbose

    def test_takes_a_single_file(self, cgkit: Cli, plugin: Path) -> None:
        result = cgkit("plugins", "check", plugin)
        assert result.code == 4
        assert "reconstruction_losses/bad: " in result.out
        absent = cgkit("plugins", "check", plugin.with_name("absent.py"))
        assert absent.code == 2
        assert "absent.py: there is no such file" in absent.err

    @pytest.mark.parametrize("name", ["good", "reconstruction_loss/good", "reconstruction_losses/good"])
    def test_checks_only_the_named_components(self, cgkit: Cli, plugin: Path, name: str) -> None:
        result = cgkit("plugins", "check", plugin, "--component", name)
        assert result.code == 0
        assert "reconstruction_losses/good" in result.out
        assert "bad" not in result.out
        both = cgkit("plugins", "check", plugin, "--component", name, "--component", "bad")
        assert (both.code, "losses/bad: " in both.out) == (4, True)

    def test_refuses_the_name_of_a_component_that_the_plugin_does_not_have(self, cgkit: Cli, plugin: Path) -> None:
        result = cgkit("plugins", "check", plugin, "--component", "reconstruction_losses/goot")
        assert result.code == 2
        assert 'did you mean "reconstruction_losses/good"?' in result.err

    def test_prints_json(self, cgkit: Cli, plugin: Path) -> None:
        results = cgkit("plugins", "check", plugin.name, "--plugin", plugin, "--json").json["results"]
        failed = {result["component"] for result in results if result["outcome"] == "failed"}
        assert failed == {"reconstruction_losses/bad"}
        assert {"component", "check", "outcome", "reason", "seconds", "traceback"} == set(results[0])


class TestANewPlugin:
    def test_is_a_package_and_the_next_commands_are_printed(self, cgkit: Cli, tmp_path: Path) -> None:
        result = cgkit("plugins", "new", "swirl", "--kind", "generator", "--output", tmp_path)
        assert result.code == 0
        assert (tmp_path / "cgkit-swirl" / "pyproject.toml").is_file()
        assert "pip install -e" in result.err
        assert "cgkit plugins check cgkit-swirl" in result.err

    def test_does_not_overwrite_an_existing_folder(self, cgkit: Cli, tmp_path: Path) -> None:
        (tmp_path / "cgkit-swirl").mkdir()
        (tmp_path / "cgkit-swirl" / "mine.txt").write_text("mine")
        result = cgkit("plugins", "new", "swirl", "--kind", "generator", "--output", tmp_path)
        assert result.code == 2
        assert [file.name for file in (tmp_path / "cgkit-swirl").iterdir()] == ["mine.txt"]
