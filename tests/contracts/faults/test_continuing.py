"""A run or model names the plugin that it was made with, if that is missing or its options may have changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.contracts.faults.conftest import LINEAR, Site, content, lines_with

Command = Callable[..., Result]

TRACKER = """
    import cgkit

    class Tracker:
        def __init__(self, folder):
            pass

        def record(self, step, values):
            pass

        def rewind(self, step):
            pass

        def close(self):
            pass

    @cgkit.hookimpl
    def cgkit_register(registries):
        registries.trackers.add("silent", Tracker)
"""

CONTINUED = ("--set", "train.steps=3")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def images(run: Path) -> Path:
    return run / "samples"


@pytest.fixture(params=["linear", "cgkit-linear/linear"])
def name(request: pytest.FixtureRequest) -> str:
    """The name of the generator in the spec."""
    return str(request.param)


@pytest.fixture
def trained(site: Site, forked: Command, spec: Callable[..., Path], run: Path, name: str) -> Path:
    """Train with version 1.2 of a plugin; return the spec."""
    site.install("cgkit-linear", LINEAR, version="1.2")
    file = spec(name)
    finished = forked("run", file, "--output", run)
    assert finished.code == 0, finished.err
    return file


class TestARunWhosePluginIsMissing:
    def refused(self, forked: Command, *arguments: object, run: Path) -> str:
        before = content(run)
        refused = forked(*arguments)
        assert refused.code == 4, refused.err
        (error,) = lines_with(refused.err, "error:")
        assert content(run) == before
        return error

    def test_names_the_package_and_version_to_install(
        self, site: Site, forked: Command, trained: Path, run: Path
    ) -> None:
        site.uninstall("cgkit-linear")
        error = self.refused(forked, "run", trained, "--output", run, *CONTINUED, run=run)
        assert f"{trained}:13: generator.name: " in error
        assert "cgkit-linear" in error
        assert "1.2" in error.partition("pip install")[0]
        assert "which is not installed" in error
        assert error.endswith('; pip install "cgkit-linear>=1.2,<2"')

    def test_is_found_by_the_name_of_the_spec(
        self, site: Site, forked: Command, trained: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site.uninstall("cgkit-linear")
        (tmp_path / "runs").mkdir()
        (tmp_path / "runs" / "tiny").symlink_to(run)
        monkeypatch.chdir(tmp_path)
        error = self.refused(forked, "run", trained, *CONTINUED, run=run)
        assert 'pip install "cgkit-linear>=1.2,<2"' in error

    def test_cannot_translate_and_says_why(
        self, site: Site, forked: Command, trained: Path, run: Path, images: Path, tmp_path: Path
    ) -> None:
        site.uninstall("cgkit-linear")
        for model in (run, run / "model"):
            error = self.refused(forked, "translate", model, images, "--output", tmp_path / "out", run=run)
            assert f"{run / 'model' / 'config.json'}: generator.a2b.name: " in error
            assert "1.2" in error.partition("pip install")[0]
            assert "which is not installed" in error
            assert error.endswith('; pip install "cgkit-linear>=1.2,<2"')
            assert not (tmp_path / "out").exists()

    def test_says_why_the_plugin_failed_to_load(self, site: Site, forked: Command, trained: Path, run: Path) -> None:
        site.install("cgkit-linear", "1 / 0", version="1.2")
        error = self.refused(forked, "run", trained, "--output", run, *CONTINUED, run=run)
        assert "cgkit-linear 1.2, which could not be loaded: ZeroDivisionError" in error
        assert "pip install" not in error

    def test_resumes_once_it_is_installed_again(
        self, site: Site, forked: Command, trained: Path, run: Path, images: Path, tmp_path: Path
    ) -> None:
        site.uninstall("cgkit-linear")
        self.refused(forked, "run", trained, "--output", run, *CONTINUED, run=run)
        site.install("cgkit-linear", LINEAR, version="1.2")
        resumed = forked("run", trained, "--output", run, *CONTINUED)
        assert resumed.code == 0, resumed.err
        assert "at step 2 of 3" in resumed.err
        assert "was made with" not in resumed.err
        assert forked("translate", run, images, "--output", tmp_path / "out").code == 0


@pytest.mark.parametrize("name", ["linear"], indirect=True)
class TestARunWhosePluginHasAnotherVersion:
    @pytest.mark.parametrize("version", ["2.0", "0.9"])
    def test_of_another_series_neither_resumes_nor_translates(
        self, site: Site, forked: Command, trained: Path, run: Path, images: Path, tmp_path: Path, version: str
    ) -> None:
        site.install("cgkit-linear", LINEAR, version=version)
        before = content(run)
        for arguments in (
            ("run", trained, "--output", run, *CONTINUED),
            ("translate", run, images, "--output", tmp_path / "out"),
        ):
            refused = forked(*arguments)
            assert refused.code == 4, refused.err
            (error,) = lines_with(refused.err, "error:")
            assert f"was made with cgkit-linear 1.2, but {version} is installed" in error
            assert 'pip install "cgkit-linear>=1.2,<2"' in error
        assert content(run) == before
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("version", ["1.3", "1.2.1", "1.1", "1.3.dev0"])
    def test_of_the_same_series_resumes_with_one_warning(
        self, site: Site, forked: Command, trained: Path, run: Path, images: Path, tmp_path: Path, version: str
    ) -> None:
        site.install("cgkit-linear", LINEAR, version=version)
        resumed = forked("run", trained, "--output", run, *CONTINUED)
        assert resumed.code == 0, resumed.err
        (warning,) = lines_with(resumed.err, "warning:")
        assert f"was made with cgkit-linear 1.2 (now {version})" in warning
        assert forked("translate", run, images, "--output", tmp_path / "out").code == 0
        repeated = forked("run", trained, "--output", run, "--set", "train.steps=4")
        assert repeated.code == 0
        assert not lines_with(repeated.err, "warning:")

    def test_below_1_0_may_only_differ_in_the_patch_version(
        self, site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path, name: str
    ) -> None:
        file, run = spec(name), tmp_path / "early"
        site.install("cgkit-linear", LINEAR, version="0.3")
        assert forked("run", file, "--output", run).code == 0
        site.install("cgkit-linear", LINEAR, version="0.3.7")
        assert forked("run", file, "--output", run, "--set", "train.steps=3").code == 0
        site.install("cgkit-linear", LINEAR, version="0.4")
        refused = forked("run", file, "--output", run, "--set", "train.steps=4")
        assert refused.code == 4
        assert 'pip install "cgkit-linear>=0.3,<0.4"' in refused.err


@pytest.mark.parametrize("name", ["linear"], indirect=True)
class TestTheRecordedPlugins:
    @pytest.fixture
    def name(self) -> str:
        return "linear"

    @pytest.fixture
    def trained(self, site: Site, forked: Command, spec: Callable[..., Path], run: Path, name: str) -> Path:
        """Train while a plugin is installed that the spec does not use; return the spec."""
        site.install("cgkit-linear", LINEAR, version="1.2")
        site.install("cgkit-silent", TRACKER, version="3.1")
        file = spec(name)
        finished = forked("run", file, "--output", run)
        assert finished.code == 0, finished.err
        return file

    @pytest.mark.usefixtures("trained")
    def test_are_those_that_the_components_come_from(self, run: Path) -> None:
        (newest, *_) = sorted((run / "checkpoints").glob("step-*"), reverse=True)
        for file in (run / "environment.json", newest / "state.json", run / "model" / "config.json"):
            assert json.loads(file.read_text())["providers"] == {"cgkit-linear": "1.2"}, file

    def test_are_in_the_checkpoint_too(self, site: Site, forked: Command, trained: Path, run: Path) -> None:
        (run / "environment.json").unlink()
        site.install("cgkit-linear", LINEAR, version="2.0")
        refused = forked("run", trained, "--output", run, *CONTINUED)
        assert refused.code == 4
        assert "was made with cgkit-linear 1.2, but 2.0 is installed" in refused.err

    def test_do_not_include_an_unused_plugin_so_the_run_resumes_without_it(
        self, site: Site, forked: Command, trained: Path, run: Path
    ) -> None:
        site.uninstall("cgkit-silent")
        assert forked("run", trained, "--output", run, *CONTINUED).code == 0


class TestARunWhoseComponentNameAnotherPackageProvidesToo:
    def test_resumes_with_the_package_that_it_was_made_with(
        self, site: Site, forked: Command, trained: Path, run: Path, images: Path, tmp_path: Path
    ) -> None:
        site.install("cgkit-late", LINEAR)
        resumed = forked("run", trained, "--output", run, *CONTINUED)
        assert resumed.code == 0, resumed.err
        assert "at step 2 of 3" in resumed.err
        assert forked("translate", run, images, "--output", tmp_path / "out").code == 0
        site.uninstall("cgkit-late")
        assert forked("run", trained, "--output", run, "--set", "train.steps=4").code == 0

    def test_is_not_resumed_with_the_other_package(
        self, site: Site, forked: Command, trained: Path, run: Path, images: Path, tmp_path: Path, name: str
    ) -> None:
        site.uninstall("cgkit-linear")
        site.install("cgkit-late", LINEAR)
        before = content(run)
        for arguments in (
            ("run", trained, "--output", run, *CONTINUED),
            ("translate", run, images, "--output", tmp_path / "out"),
        ):
            refused = forked(*arguments)
            assert refused.code == 4, refused.err
            (error,) = lines_with(refused.err, "error:")
            expected = {
                "linear": "was made without cgkit-late",
                "cgkit-linear/linear": "the run was made with cgkit-linear 1.2, which is not installed",
            }
            assert expected[name] in error
            assert error.endswith('; pip install "cgkit-linear>=1.2,<2"')
        assert content(run) == before

    def test_resumes_if_its_own_is_built_in(
        self, site: Site, forked: Command, spec: Callable[..., Path], images: Path, tmp_path: Path, name: str
    ) -> None:
        file, run = spec(), tmp_path / "plain"
        assert forked("run", file, "--output", run).code == 0
        taken = LINEAR.replace('"linear"', '"resnet"') + "        registries.augmentations.add('flip', dict)\n"
        site.install("cgkit-usurper", taken)
        resumed = forked("run", file, "--output", run, *CONTINUED)
        assert resumed.code == 0, resumed.err
        assert forked("translate", run, run / "samples", "--output", tmp_path / "out").code == 0


class TestATrackerOfAPlugin:
    @pytest.fixture
    def file(self, site: Site, forked: Command, spec: Callable[..., Path], run: Path) -> Path:
        site.install("cgkit-silent", TRACKER)
        file = spec(more='[[tracker]]\nname = "silent"\n')
        finished = forked("run", file, "--output", run)
        assert finished.code == 0, finished.err
        site.uninstall("cgkit-silent")
        return file

    def test_must_be_installed_while_the_spec_names_it(self, forked: Command, file: Path, run: Path) -> None:
        refused = forked("run", file, "--output", run, *CONTINUED)
        assert refused.code == 4
        assert "the run was made with cgkit-silent 1.0, which is not installed" in refused.err

    def test_can_be_removed_from_the_spec(self, forked: Command, file: Path, run: Path) -> None:
        resumed = forked("run", file, "--output", run, *CONTINUED, "--set", "tracker=[]")
        assert resumed.code == 0, resumed.err

    def test_is_not_needed_to_translate(
        self, forked: Command, file: Path, run: Path, images: Path, tmp_path: Path
    ) -> None:
        translated = forked("translate", run, images, "--output", tmp_path / "out")
        assert translated.code == 0, translated.err


@pytest.mark.parametrize("name", ["linear"], indirect=True)
def test_a_run_folder_without_recorded_providers_resumes(
    site: Site, forked: Command, trained: Path, run: Path, images: Path, tmp_path: Path
) -> None:
    resolved = json.loads((run / "spec.resolved.json").read_text())
    resolved.pop("requires")
    (run / "spec.resolved.json").write_text(json.dumps(resolved))
    environment = json.loads((run / "environment.json").read_text())
    environment.pop("providers", None)
    (run / "environment.json").write_text(json.dumps(environment))
    config = json.loads((run / "model" / "config.json").read_text())
    config["spec"].pop("requires")
    config["providers"] = environment["plugins"]
    (run / "model" / "config.json").write_text(json.dumps(config))
    site.uninstall("cgkit-linear")
    for arguments in (
        ("run", trained, "--output", run, *CONTINUED),
        ("translate", run, images, "--output", tmp_path / "out"),
    ):
        refused = forked(*arguments)
        assert refused.code == 4
        assert "the run was made with cgkit-linear 1.2, which is not installed" in refused.err
    site.install("cgkit-linear", LINEAR, version="1.4")
    assert forked("translate", run, images, "--output", tmp_path / "out").code == 0
    assert forked("run", trained, "--output", run, *CONTINUED).code == 0


@pytest.mark.parametrize("name", ["linear"], indirect=True)
@pytest.mark.parametrize("damage", ["[]", "{", '{"providers": 3}', '{"providers": {"cgkit-linear": 3}}'])
def test_a_run_folder_with_a_damaged_environment_resumes(
    forked: Command, trained: Path, run: Path, damage: str
) -> None:
    (run / "environment.json").write_text(damage)
    resumed = forked("run", trained, "--output", run, *CONTINUED)
    assert resumed.code == 0, resumed.err
