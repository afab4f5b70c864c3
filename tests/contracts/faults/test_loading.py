"""A faulty plugin affects only the specs that use it, and they report which plugin failed and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.contracts.faults.conftest import LINEAR, Site, lines_with

Command = Callable[..., Result]

REGISTER = "import cgkit\n@cgkit.hookimpl\ndef cgkit_register(registries):\n    "

FAULTS = {
    "raises while it is imported": ("raise RuntimeError('wires crossed')", "RuntimeError: wires crossed"),
    "is not Python": ("def (:", "SyntaxError"),
    "ends the interpreter": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "needs a package that is missing": ("import lpips_of_nobody", "No module named 'lpips_of_nobody'"),
    "prints and then raises": ("print('{}')\n1 / 0", "ZeroDivisionError"),
    "misspells a hook": ("import cgkit\n@cgkit.hookimpl\ndef cgkit_regster(registries): pass", "cgkit_regster"),
    "does not mark its hook": ("def cgkit_register(registries): pass", "not a function marked with"),
    "is made for a newer contract": (f"cgkit_api = 2\n{REGISTER}pass", "built for version 2 of the plugin contract"),
    "raises halfway through registering": (
        f"{REGISTER}registries.generators.add('swirl', dict)\n    raise OSError('no space for the rest')",
        "OSError: no space for the rest",
    ),
    "registers one name twice": (
        f"{REGISTER}[registries.generators.add('swirl', dict) for _ in range(2)]",
        "registered twice by cgkit-bad",
    ),
    "uses an unknown registry": (f"{REGISTER}registries.genrators.add('swirl', dict)", "genrators"),
    "registers a default": (
        f"{REGISTER}registries.generators.add('swirl', dict, default=True)",
        "cannot be a default",
    ),
}


@pytest.fixture(params=FAULTS.values(), ids=FAULTS.keys())
def reason(request: pytest.FixtureRequest, site: Site) -> str:
    """Install a faulty plugin between two valid ones; return the reason why it fails to load."""
    source, reason = request.param
    site.install("cgkit-another", LINEAR.replace('"linear"', '"another"'))
    site.install("cgkit-bad", source, version="1.5")
    site.install("cgkit-linear", LINEAR)
    return reason


@pytest.mark.usefixtures("reason")
class TestAPluginThat:
    def test_fails_is_reported_in_one_line_and_the_others_are_listed(self, started: Command, reason: str) -> None:
        listed = started("list-components", "--json")
        assert listed.code == 0
        (warning,) = lines_with(listed.err, "warning:")
        assert warning.startswith("warning: plugin cgkit-bad could not be loaded: ")
        assert reason in warning
        components = json.loads(listed.out)["components"]
        assert {"cgkit", "cgkit-another", "cgkit-linear"} == {component["provider"] for component in components}
        assert not [component for component in components if component["name"] == "swirl"]

    def test_fails_does_not_affect_a_run_that_does_not_use_it(
        self, forked: Command, spec: Callable[..., Path], tmp_path: Path
    ) -> None:
        trained = forked("run", spec("linear"), "--output", tmp_path / "run")
        assert trained.code == 0, trained.err
        assert len(lines_with(trained.err, "cgkit-bad")) == 1
        assert (tmp_path / "run" / "model" / "config.json").is_file()

    @pytest.mark.parametrize(
        ("name", "top"), [("swirl", ""), ("cgkit-bad/swirl", ""), ("swirl", 'requires = ["cgkit-bad >= 1"]\n')]
    )
    def test_fails_stops_a_run_that_uses_it(
        self, forked: Command, spec: Callable[..., Path], tmp_path: Path, reason: str, name: str, top: str
    ) -> None:
        refused = forked("run", spec(name, top=top), "--output", tmp_path / "run")
        assert refused.code == 4
        (error,) = lines_with(refused.err, "error:")
        assert "cgkit-bad" in error
        assert "could not be loaded: " in error
        assert reason in error
        assert "Traceback" not in refused.err
        assert not (tmp_path / "run").exists()


def test_a_plugins_output_goes_to_stderr(site: Site, started: Command) -> None:
    site.install("cgkit-loud", f"print('loaded!')\n{REGISTER}print('registered!')")
    listed = started("list-components", "--json")
    assert listed.code == 0
    assert json.loads(listed.out)["components"]
    assert listed.err.splitlines() == ["loaded!", "registered!"]


def test_two_packages_with_the_same_entry_point_name_are_both_loaded(site: Site, started: Command) -> None:
    for letter in "xy":
        source = LINEAR.replace('"linear"', f'"of-{letter}"')
        site.install(f"cgkit-{letter}", source, entry_point=f"plugin = cgkit_{letter}")
    listed = started("list-components", "--json")
    assert (listed.code, listed.err) == (0, "")
    names = {component["name"]: component["provider"] for component in json.loads(listed.out)["components"]}
    assert (names["of-x"], names["of-y"]) == ("cgkit-x", "cgkit-y")


class TestTwoPackagesThatProvideTheSameName:
    @pytest.fixture(autouse=True)
    def _install_two(self, site: Site) -> None:
        site.install("cgkit-x", LINEAR)
        site.install("cgkit-y", LINEAR.replace("bias: bool = True", "bias: bool = False"))

    def test_are_distinguished_by_qualified_names(
        self, forked: Command, spec: Callable[..., Path], tmp_path: Path
    ) -> None:
        refused = forked("run", spec("linear"), "--output", tmp_path / "run")
        assert refused.code == 4
        (error,) = lines_with(refused.err, "error:")
        assert 'write "cgkit-x/linear" or "cgkit-y/linear"' in error
        trained = forked("run", spec("cgkit-y/linear"), "--output", tmp_path / "run")
        assert trained.code == 0
        resolved = json.loads((tmp_path / "run" / "spec.resolved.json").read_text())
        assert resolved["generator"]["a2b"] == {"name": "cgkit-y/linear", "bias": False}

    def test_do_not_affect_a_spec_that_uses_neither(
        self, forked: Command, spec: Callable[..., Path], tmp_path: Path
    ) -> None:
        trained = forked("run", spec(), "--output", tmp_path / "run")
        assert trained.code == 0
        assert not lines_with(trained.err, "cgkit-")


def test_a_plugin_does_not_replace_a_built_in_default(
    site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path
) -> None:
    site.install("cgkit-usurper", LINEAR.replace('"linear"', '"resnet"'))
    silent = spec()
    silent.write_text(silent.read_text().replace('name = "resnet"\n', ""))
    trained = forked("run", silent, "--output", tmp_path / "run")
    assert trained.code == 0, trained.err
    resolved = json.loads((tmp_path / "run" / "spec.resolved.json").read_text())
    assert resolved["generator"]["a2b"]["name"] == "resnet"
    named = forked("run", spec(), "--output", tmp_path / "other")
    assert named.code == 0, named.err
    resolved = json.loads((tmp_path / "other" / "spec.resolved.json").read_text())
    assert resolved["generator"]["a2b"]["blocks"] == 1
