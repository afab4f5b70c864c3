"""A spec says which packages its components come from; whoever lacks one is told what to install."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.contracts.faults.conftest import LINEAR, Site, lines_with

Command = Callable[..., Result]


@pytest.fixture
def errors(forked: Command, spec: Callable[..., Path], tmp_path: Path) -> Callable[..., list[str]]:
    """What `cgkit run` says of a spec, which it refuses with exit code 4 and without writing anything."""

    def errors(generator: str = "", *, code: int = 4, options: tuple[str, ...] = (), **text: str) -> list[str]:
        file = spec(generator, **text)
        refused = forked("run", file, "--output", tmp_path / "run", *options)
        assert refused.code == code, refused.err
        assert not (tmp_path / "run").exists()
        return [line.removeprefix(f"error: {file}:") for line in lines_with(refused.err, "error:")]

    return errors


class TestARequiredPackage:
    def test_that_is_not_there_is_told_with_its_line_and_what_to_install(
        self, errors: Callable[..., list[str]]
    ) -> None:
        (error,) = errors("vit-unet", top='\nrequires = ["Cgkit_UVCGAN >= 0.1"]\n')
        assert error == (
            '2: requires.0: needs the package cgkit-uvcgan, which is not installed; pip install "Cgkit_UVCGAN>=0.1"'
        )

    def test_that_is_not_there_is_told_together_with_every_other_problem(
        self, site: Site, errors: Callable[..., list[str]]
    ) -> None:
        site.install("cgkit-linear", LINEAR, version="1.2")
        found = errors(
            "vit-unet",
            top='requires = ["cgkit-uvcgan", "cgkit-losses", "cgkit-linear >= 1.3"]\n',
            more='[cycle_loss]\nname = "l1"\nsharpness = 3\n[log]\neverz = 1\n',
        )
        assert [error.split(": ")[1] for error in found] == [
            "requires.0",
            "requires.1",
            "requires.2",
            "cycle_loss.sharpness",
            "log.everz",
        ]
        assert "needs cgkit-linear >=1.3, but 1.2 is installed" in found[2]
        assert 'pip install "cgkit-linear>=1.3"' in found[2]

    def test_that_failed_is_told_with_its_reason(self, site: Site, errors: Callable[..., list[str]]) -> None:
        site.install("cgkit-bad", "import timm_of_nobody")
        (error,) = errors("swirl", top='requires = ["cgkit-bad"]\n')
        assert error.startswith("1: requires.0: needs the package cgkit-bad, which could not be loaded: ModuleNotFound")
        assert "pip install" not in error

    def test_that_is_blocked_is_told_so(self, site: Site, forked: Command, spec: Callable[..., Path]) -> None:
        site.install("cgkit-linear", LINEAR)
        refused = forked("run", spec("linear", top='requires = ["cgkit-linear"]\n'), CGKIT_PLUGINS="")
        assert refused.code == 4
        assert "cgkit-linear, which is blocked: not among CGKIT_PLUGINS; add it to CGKIT_PLUGINS" in refused.err

    def test_that_is_left_out_or_holds_no_plugin_is_told_so(self, site: Site, errors: Callable[..., list[str]]) -> None:
        site.install("cgkit-linear", LINEAR)
        (error,) = errors("linear", top='requires = ["cgkit-linear"]\n', options=("--no-plugins",))
        assert "cgkit-linear, which is installed but left out; go without --no-plugins" in error
        (error,) = errors("linear", top='requires = ["pluggy"]\n')
        assert error.endswith("needs the package pluggy, which is installed but holds no plugin")

    @pytest.mark.parametrize("wanted", ["cgkit-linear", "cgkit_linear >= 1, < 2", "cgkit-linear == 1.2.*", "cgkit > 0"])
    def test_that_is_there_is_no_further_matter(
        self, site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path, wanted: str
    ) -> None:
        site.install("cgkit-linear", LINEAR, version="1.2.rc1" if "==" in wanted else "1.2")
        trained = forked("run", spec("linear", top=f'requires = ["{wanted}"]\n'), "--output", tmp_path / "run")
        assert trained.code == 0, trained.err

    @pytest.mark.parametrize(
        "wanted",
        ["cgkit linear", "cgkit-x @ https://a.b/c.whl", "cgkit-x[all]", "cgkit-x; os_name == 'nt'", "", ">= 1"],
    )
    def test_is_a_name_with_versions_and_nothing_else(self, errors: Callable[..., list[str]], wanted: str) -> None:
        (error,) = errors(top=f'requires = ["cgkit", "{wanted}"]\n', code=2)
        assert error.startswith('1: requires.1: should be a package with versions, like "cgkit-stains >= 0.1, < 1"')

    def test_stands_in_an_array(self, errors: Callable[..., list[str]]) -> None:
        (error,) = errors(top='requires = "cgkit-x"\n', code=2)
        assert error.startswith("1: requires: should be a valid array")


class TestAComponentWrittenWithItsPackage:
    def test_names_what_to_install(self, errors: Callable[..., list[str]]) -> None:
        (error,) = errors("Cgkit_UVCGAN/vit-unet")
        assert error.endswith(
            'generator.name: no generator is called "Cgkit_UVCGAN/vit-unet": it needs cgkit-uvcgan, which is not'
            ' installed; pip install "cgkit-uvcgan"'
        )

    def test_may_have_meant_another_package(self, errors: Callable[..., list[str]]) -> None:
        (error,) = errors("cgkt/resnet")
        assert error.endswith('; pip install "cgkt", or did you mean "cgkit/resnet"?')

    def test_is_no_ones_fault_where_the_package_is_there_and_has_it_not(
        self, site: Site, errors: Callable[..., list[str]]
    ) -> None:
        site.install("cgkit-bad", "1 / 0")
        site.install("cgkit-linear", LINEAR)
        (error,) = errors("cgkit-linear/linaer", code=2)
        assert error.endswith('no generator is called "cgkit-linear/linaer"; did you mean "cgkit-linear/linear"?')

    def test_is_told_once_where_the_package_is_required_too(self, errors: Callable[..., list[str]]) -> None:
        (error,) = errors("cgkit-x/swirl", top='requires = ["cgkit-x >= 3"]\n')
        assert error.startswith("1: requires.0: needs the package cgkit-x")

    def test_may_be_a_plugin_in_a_single_file(self, errors: Callable[..., list[str]]) -> None:
        (error,) = errors("swirl.py/swirl")
        assert error.endswith('it needs swirl.py, which is not loaded; --plugin "swirl.py"')


def test_a_name_that_nobody_has_heard_of_stays_a_mistake_of_the_spec(errors: Callable[..., list[str]]) -> None:
    (error,) = errors("resnett", code=2)
    assert error.endswith('generator.name: no generator is called "resnett"; did you mean "resnet"?')


class TestTheResolvedSpec:
    def resolved(self, forked: Command, file: Path, run: Path) -> list[str] | None:
        trained = forked("run", file, "--output", run)
        assert trained.code == 0, trained.err
        requires = json.loads((run / "spec.resolved.json").read_text()).get("requires")
        # What the model says is what whoever gets it alone can read.
        assert json.loads((run / "model" / "config.json").read_text())["spec"].get("requires") == requires
        return requires

    @pytest.mark.parametrize(
        ("version", "requirement"),
        [
            ("1.2.5", "cgkit-linear>=1.2,<2"),
            ("0.3.1", "cgkit-linear>=0.3,<0.4"),
            ("2.0rc1", "cgkit-linear>=2.0rc1,<3"),
            ("1!4.1", "cgkit-linear>=1!4.1,<1!5"),
        ],
    )
    def test_says_which_packages_are_used(
        self, site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path, version: str, requirement: str
    ) -> None:
        site.install("cgkit-linear", LINEAR, version=version)
        site.install("cgkit-idle", LINEAR.replace('"linear"', '"idle"'))
        assert self.resolved(forked, spec("linear"), tmp_path / "run") == [requirement]
        # The run that it describes can be continued: it meets its own requirement.
        assert self.resolved(forked, spec("linear", top=f'requires = ["{requirement}"]\n'), tmp_path / "run")

    def test_keeps_what_the_spec_says_itself(
        self, site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path
    ) -> None:
        site.install("cgkit-linear", LINEAR, version="1.2")
        file = spec("linear", top='requires = ["cgkit", "Cgkit.Linear != 1.3"]\n')
        assert self.resolved(forked, file, tmp_path / "run") == ["cgkit", "Cgkit.Linear != 1.3"]

    def test_says_nothing_where_all_is_built_in(
        self, site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path
    ) -> None:
        site.install("cgkit-idle", LINEAR)
        assert self.resolved(forked, spec(), tmp_path / "run") is None


def test_a_mistake_is_told_beside_a_component_whose_package_is_missing(errors: Callable[..., list[str]]) -> None:
    missing, mistake = errors("cgkit-x/swirl", more='[cycle_loss]\nname = "l11"\n')
    assert "it needs cgkit-x" in missing
    assert mistake.endswith('did you mean "l1"?')
