"""A spec names the packages that its components come from; if one is missing, the error says what to do."""

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
    """Return the errors of `cgkit run`, which refuses a spec with exit code 4 and writes nothing."""

    def errors(generator: str = "", *, code: int = 4, options: tuple[str, ...] = (), **text: str) -> list[str]:
        file = spec(generator, **text)
        refused = forked("run", file, "--output", tmp_path / "run", *options)
        assert refused.code == code, refused.err
        assert not (tmp_path / "run").exists()
        return [line.removeprefix(f"error: {file}:") for line in lines_with(refused.err, "error:")]

    return errors


class TestARequiredPackage:
    def test_that_is_not_installed_is_reported_with_its_line_and_what_to_install(
        self, errors: Callable[..., list[str]]
    ) -> None:
        (error,) = errors("vit-unet", top='\nrequires = ["Cgkit_UVCGAN >= 0.1"]\n')
        assert error == (
            '2: requires.0: needs Cgkit_UVCGAN>=0.1, but it is not installed; pip install "Cgkit_UVCGAN>=0.1"'
        )

    def test_that_is_missing_is_reported_along_with_every_other_problem(
        self, site: Site, errors: Callable[..., list[str]]
    ) -> None:
        site.install("cgkit-linear", LINEAR, version="1.2")
        problems = errors(
            "vit-unet",
            top='requires = ["cgkit-uvcgan", "cgkit-losses", "cgkit-linear >= 1.3"]\n',
            more='[cycle_loss]\nname = "l1"\nsharpness = 3\n[log]\neverz = 1\n',
        )
        assert [problem.split(": ")[1] for problem in problems] == [
            "requires.0",
            "requires.1",
            "requires.2",
            "cycle_loss.sharpness",
            "log.everz",
        ]
        assert "needs cgkit-linear>=1.3, but it has version 1.2" in problems[2]
        assert 'pip install "cgkit-linear>=1.3"' in problems[2]

    def test_that_failed_to_load_is_reported_with_the_reason(
        self, site: Site, errors: Callable[..., list[str]]
    ) -> None:
        site.install("cgkit-bad", "import timm_of_nobody")
        (error,) = errors("swirl", top='requires = ["cgkit-bad"]\n')
        assert error.startswith("1: requires.0: needs cgkit-bad, but it could not be loaded: ModuleNotFound")
        assert error.endswith("; pip install timm_of_nobody"), "the package itself is installed"

    def test_that_is_blocked_is_to_be_added_to_the_allow_list(
        self, site: Site, forked: Command, spec: Callable[..., Path]
    ) -> None:
        site.install("cgkit-linear", LINEAR)
        refused = forked("run", spec("linear", top='requires = ["cgkit-linear"]\n'), CGKIT_PLUGINS="")
        assert refused.code == 4
        assert "cgkit-linear, but it is blocked: not allowed by CGKIT_PLUGINS; change CGKIT_PLUGINS" in refused.err

    def test_that_is_disabled_or_has_no_plugin_is_reported_as_such(
        self, site: Site, errors: Callable[..., list[str]]
    ) -> None:
        site.install("cgkit-linear", LINEAR)
        (error,) = errors("linear", top='requires = ["cgkit-linear"]\n', options=("--no-plugins",))
        assert "needs cgkit-linear, but it is disabled; leave out --no-plugins" in error
        (error,) = errors("linear", top='requires = ["pluggy"]\n')
        assert error.endswith("needs pluggy, but it has no plugin")

    @pytest.mark.parametrize("wanted", ["cgkit-linear", "cgkit_linear >= 1, < 2", "cgkit-linear == 1.2.*", "cgkit > 0"])
    def test_that_is_loaded_is_not_reported(
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

    def test_is_an_element_of_an_array(self, errors: Callable[..., list[str]]) -> None:
        (error,) = errors(top='requires = "cgkit-x"\n', code=2)
        assert error.startswith("1: requires: should be a valid array")


class TestAComponentWithAQualifiedName:
    def test_names_the_package_to_install(self, errors: Callable[..., list[str]]) -> None:
        (error,) = errors("Cgkit_UVCGAN/vit-unet")
        assert error.endswith(
            'generator.name: no generator is called "Cgkit_UVCGAN/vit-unet"; cgkit-uvcgan is not installed;'
            ' pip install "cgkit-uvcgan"'
        )

    def test_is_an_error_of_the_spec_if_the_package_is_loaded(
        self, site: Site, errors: Callable[..., list[str]]
    ) -> None:
        site.install("cgkit-bad", "1 / 0")
        site.install("cgkit-linear", LINEAR)
        (error,) = errors("cgkit-linear/linaer", code=2)
        assert error.endswith('no generator is called "cgkit-linear/linaer"; did you mean "cgkit-linear/linear"?')

    def test_is_not_reported_if_a_required_package_is_missing(self, errors: Callable[..., list[str]]) -> None:
        (error,) = errors("cgkit-x/swirl", top='requires = ["cgkit-x >= 3"]\n')
        assert error.startswith("1: requires.0: needs cgkit-x>=3")

    def test_may_be_from_a_plugin_in_a_single_file(self, errors: Callable[..., list[str]]) -> None:
        (error,) = errors("swirl.py/swirl")
        assert error.endswith('no generator is called "swirl.py/swirl"; swirl.py is not loaded; --plugin swirl.py')

    @pytest.mark.parametrize("provider", ["$(reboot)", "a b", "$(reboot).py"])
    def test_has_no_command_as_a_hint_unless_its_package_can_exist(
        self, errors: Callable[..., list[str]], provider: str
    ) -> None:
        (error,) = errors(f"{provider}/swirl", code=2)
        assert "pip install" not in error
        assert "--plugin" not in error


def test_an_unknown_name_is_an_error_of_the_spec(errors: Callable[..., list[str]]) -> None:
    (error,) = errors("resnett", code=2)
    assert error.endswith('generator.name: no generator is called "resnett"; did you mean "resnet"?')


class TestTheResolvedSpec:
    def resolved(self, forked: Command, file: Path, run: Path) -> list[str] | None:
        trained = forked("run", file, "--output", run)
        assert trained.code == 0, trained.err
        requires = json.loads((run / "spec.resolved.json").read_text()).get("requires")
        # A model may be shared without its run.
        assert json.loads((run / "model" / "config.json").read_text())["spec"].get("requires") == requires
        return requires

    @pytest.mark.parametrize(
        ("version", "requirement"),
        [
            ("1.2.5", "cgkit-linear>=1.2,<2"),
            ("0.3.1", "cgkit-linear>=0.3,<0.4"),
            ("2.0rc1", "cgkit-linear>=2.0rc1,<3"),
        ],
    )
    def test_requires_the_packages_that_it_uses(
        self, site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path, version: str, requirement: str
    ) -> None:
        site.install("cgkit-linear", LINEAR, version=version)
        site.install("cgkit-idle", LINEAR.replace('"linear"', '"idle"'))
        assert self.resolved(forked, spec("linear"), tmp_path / "run") == [requirement]
        # The run can be resumed: the installed version meets the requirement.
        assert self.resolved(forked, spec("linear", top=f'requires = ["{requirement}"]\n'), tmp_path / "run")

    def test_keeps_the_requirements_of_the_spec(
        self, site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path
    ) -> None:
        site.install("cgkit-linear", LINEAR, version="1.2")
        file = spec("linear", top='requires = ["cgkit", "Cgkit.Linear != 1.3"]\n')
        assert self.resolved(forked, file, tmp_path / "run") == ["cgkit", "Cgkit.Linear != 1.3"]

    def test_requires_nothing_if_all_components_are_built_in(
        self, site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path
    ) -> None:
        site.install("cgkit-idle", LINEAR)
        assert self.resolved(forked, spec(), tmp_path / "run") is None


def test_a_missing_package_and_a_misspelt_name_are_reported_together(errors: Callable[..., list[str]]) -> None:
    missing, mistake = errors("cgkit-x/swirl", more='[cycle_loss]\nname = "l11"\n')
    assert "cgkit-x is not installed" in missing
    assert mistake.endswith('did you mean "l1"?')
