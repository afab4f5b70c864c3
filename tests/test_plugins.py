"""Plugins are found through their entry points; one that fails is not used, and all others work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from cgkit.errors import PluginError, SpecError
from cgkit.plugins import Plugins, PluginStatus, load_plugins
from cgkit.spec import load_spec

Install = Callable[..., None]

GOOD = """
    import cgkit

    class Generator:
        def __init__(self, in_channels: int, out_channels: int, *, heads: int = 2) -> None:
            pass

    @cgkit.hookimpl
    def cgkit_register(registries):
        registries.generators.add({name!r}, Generator)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("CGKIT_PLUGINS", raising=False)
    yield folder
    for name, module in list(sys.modules.items()):
        if str(folder) in (getattr(module, "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """Install a package with handwritten metadata, which takes milliseconds."""

    def install(distribution: str, source: str, *, entry_point: str = "", version: str = "1.0") -> None:
        module = distribution.lower().replace("-", "_").replace(".", "_")
        (site / f"{module}.py").write_text(dedent(source))
        metadata = site / f"{module}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[cgkit]\n{entry_point or f'{module} = {module}'}\n")

    return install


def good(name: str = "good") -> str:
    return GOOD.format(name=name)


def status_of(plugins: Plugins, distribution: str) -> PluginStatus:
    (status,) = [status for status in plugins.statuses if status.distribution == distribution]
    return status


def test_an_installed_plugin_fills_the_registries(install):
    install("cgkit-good", good(), version="2.5")
    plugins = load_plugins()
    assert status_of(plugins, "cgkit-good") == PluginStatus("cgkit_good", "cgkit-good", "2.5")
    assert plugins.registries.generators["good"].provider == "cgkit-good"
    assert plugins.registries.generators["cgkit-good/good"].load().__name__ == "Generator"
    assert plugins.version_of("cgkit-good") == "2.5"
    assert plugins.version_of("nobody") == ""
    assert plugins.failed == []


def test_a_package_name_is_normalised_as_on_pypi(install):
    install("Cgkit_Odd.Name", good())
    assert load_plugins().registries.generators["cgkit-odd-name/good"].provider == "cgkit-odd-name"


def test_the_built_in_components_are_a_plugin():
    plugins = load_plugins(installed=False)
    (status,) = plugins.statuses
    assert (status.distribution, status.state) == ("cgkit", "ok")
    assert plugins.registries.generators.choose(None).qualified_name == "cgkit/resnet"


def test_without_installed_plugins_only_the_built_in_one_is_loaded(install):
    install("cgkit-good", good())
    assert [status.distribution for status in load_plugins(installed=False).statuses] == ["cgkit"]


REGISTER = "import cgkit\n@cgkit.hookimpl\ndef cgkit_register(registries):\n    "

FAULTS = {
    "raises on import": ("1 / 0", "ZeroDivisionError: division by zero"),
    "is not Python": ("def", "SyntaxError: invalid syntax (cgkit_bad.py, line 1)"),
    "exits": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "raises a BaseException": ("class Panic(BaseException): pass\nraise Panic('rust')", "Panic: rust"),
    "raises an exception without a message": (
        "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute",
        "Mute",
    ),
    "needs a package that is not installed": (
        "import lpips_of_nobody",
        "ModuleNotFoundError: No module named 'lpips_of_nobody'",
    ),
    "raises when registering": (REGISTER + "raise OSError('a\\nb')", "OSError: a b"),
    "exits when registering": (REGISTER + "raise SystemExit", "SystemExit"),
    "is built for another version": ("cgkit_api = 2\n" + REGISTER + "pass", "RuntimeError: built for version 2"),
    "misspells a hook": (
        "import cgkit\n@cgkit.hookimpl\ndef cgkit_registr(registries): pass",
        "AttributeError: unknown hook 'cgkit_registr'; did you mean \"cgkit_register\"?",
    ),
    "has an unknown hook": (
        "import cgkit\n@cgkit.hookimpl\ndef zzz(registries): pass",
        "AttributeError: unknown hook 'zzz'; available: cgkit_register, cgkit_commands,",
    ),
    "takes an unknown argument": (
        "import cgkit\n@cgkit.hookimpl\ndef cgkit_register(registries, engine): pass",
        "PluginValidationError: Plugin 'cgkit-bad:cgkit_bad' for hook 'cgkit_register'",
    ),
    "forgets to mark its hook": (
        "def cgkit_register(registries): pass",
        "TypeError: cgkit_register is not a function marked with @cgkit.hookimpl",
    ),
    "has a hook that cannot be called": (
        "cgkit_register = 5",
        "TypeError: cgkit_register is not a function marked with @cgkit.hookimpl",
    ),
    "marks one hook of two": (
        REGISTER + "pass\ndef cgkit_commands(cli): pass",
        "TypeError: cgkit_commands is not a function marked with @cgkit.hookimpl",
    ),
    "implements nothing": ("", "AttributeError: implements no hook; available: cgkit_register,"),
    "registers a name twice": (
        REGISTER + "for _ in range(2): registries.metrics.add('bad', dict)",
        "PluginError: metric 'bad' is registered twice by cgkit-bad",
    ),
    "raises halfway through registering": (
        REGISTER + "registries.metrics.add('bad', dict); 1 / 0",
        "ZeroDivisionError",
    ),
    "registers a malformed name": (
        REGISTER + "registries.metrics.add('Bad!', dict)",
        "PluginError: 'Bad!' is not a valid",
    ),
    "registers a default": (
        REGISTER + "registries.metrics.add('bad', dict, default=True)",
        "PluginError: 'bad' cannot be a default: the meaning of a spec must not depend on the installed plugins",
    ),
    "uses an unknown registry": (
        REGISTER + "registries.samplers.add('bad', dict)",
        "AttributeError: 'Registries' object has no attribute 'samplers'",
    ),
}


@pytest.mark.parametrize(("source", "reason"), FAULTS.values(), ids=FAULTS.keys())
def test_nothing_of_a_plugin_is_used_but_all_of_the_others_if_it(install, source, reason):
    install("cgkit-another", good("another"))
    install("cgkit-bad", source)
    install("cgkit-good", good())
    plugins = load_plugins()
    assert [status.distribution for status in plugins.failed] == ["cgkit-bad"]
    status = status_of(plugins, "cgkit-bad")
    assert status.reason.startswith(reason)
    assert "\n" not in status.reason
    assert status.version == "1.0"
    assert {"good", "another", "resnet"} <= {component.name for component in plugins.registries.generators}
    assert "cgkit-bad" not in {component.provider for registry in plugins.registries for component in registry}
    assert not [name for name, plugin in plugins.manager.list_name_plugin() if plugin and "bad" in name]


def test_what_a_plugin_prints_while_loading_goes_to_stderr(install, capsys):
    install("cgkit-loud", "print('on import')\n" + REGISTER + "print('on registering')")
    assert status_of(load_plugins(), "cgkit-loud").state == "ok"
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "on import\non registering\n")


def test_a_keyboard_interrupt_is_not_caught(install):
    install("cgkit-slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_plugins()


def test_a_hook_of_a_failed_plugin_is_not_called(install):
    source = """
        import cgkit

        @cgkit.hookimpl
        def cgkit_run_started(run):
            run.called = True

        @cgkit.hookimpl
        def cgkit_register(registries):
            raise RuntimeError
    """
    install("cgkit-bad", source)

    class Run:
        called = False

    run = Run()
    load_plugins().manager.hook.cgkit_run_started(run=run)
    assert not run.called


def test_two_packages_with_the_same_entry_point_name_both_load(install):
    for letter in "xy":
        install(f"cgkit-{letter}", good(letter), entry_point=f"same = cgkit_{letter}")
    plugins = load_plugins()
    assert plugins.failed == []
    assert plugins.registries.generators["x"].provider == "cgkit-x"
    assert plugins.registries.generators["y"].provider == "cgkit-y"


def test_a_module_that_two_packages_name_is_loaded_once(install):
    install("cgkit-x", good("x"))
    install("cgkit-y", good("y"), entry_point="y = cgkit_x")
    plugins = load_plugins()
    assert status_of(plugins, "cgkit-x").state == "ok"
    assert status_of(plugins, "cgkit-y").reason == "another entry point loads the same plugin"
    assert plugins.manager.get_plugin("cgkit-x:cgkit_x") is not None


def test_a_package_may_have_several_plugins(install, site):
    (site / "second.py").write_text(dedent(good("second")))
    install("cgkit-x", good("x"), entry_point="one = cgkit_x\ntwo = second")
    plugins = load_plugins()
    assert [status.name for status in plugins.statuses if status.distribution == "cgkit-x"] == ["one", "two"]
    assert plugins.registries.generators["second"].provider == "cgkit-x"


def test_an_entry_point_may_name_an_object_in_a_module(install):
    source = """
        import cgkit

        class Plugin:
            @cgkit.hookimpl
            def cgkit_register(self, registries):
                registries.metrics.add("of-an-object", dict)

        plugin = Plugin()
    """
    install("cgkit-object", source, entry_point="x = cgkit_object:plugin")
    assert load_plugins().registries.metrics["of-an-object"].provider == "cgkit-object"


@pytest.mark.parametrize("entry_point", ["x = cgkit_x:missing", "x = no_such_module", "x = !!", "x =", "x = ..y"])
def test_a_broken_entry_point_fails(install, entry_point):
    install("cgkit-good", good())
    install("cgkit-x", good("x"), entry_point=entry_point)
    plugins = load_plugins()
    assert [status.distribution for status in plugins.failed] == ["cgkit-x"]
    assert plugins.failed[0].reason


def test_the_plugin_of_a_package_without_metadata_is_loaded(site):
    (site / "bare.py").write_text(dedent(good("bare")))
    (site / "bare-1.0.dist-info").mkdir()
    (site / "bare-1.0.dist-info" / "entry_points.txt").write_text("[cgkit]\nbare = bare\n")
    assert load_plugins().registries.generators["bare"].provider in ("bare", "unknown")


@pytest.mark.parametrize(
    "content", [b"[cgkit]\nthis is no entry point", b"[cgkit]\n\xff = x", b"nonsense", b"\xff\xfe"]
)
def test_malformed_metadata_affect_only_their_package(install, site, content):
    install("cgkit-bad", good("bad"))
    install("cgkit-good", good())
    (site / "cgkit_bad-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    plugins = load_plugins()
    assert plugins.registries.generators["good"]
    assert {status.distribution for status in plugins.failed} <= {"cgkit-bad"}
    assert "bad" not in {component.name for component in plugins.registries.generators}


def test_a_malformed_entry_point_is_reported(install):
    install("cgkit-bad", good("bad"), entry_point="this is no entry point")
    assert status_of(load_plugins(), "cgkit-bad").reason == "its entry_points.txt is malformed"


def test_the_first_of_two_versions_on_the_path_is_loaded(install, tmp_path, monkeypatch):
    install("cgkit-x", good("x"), version="2.0")
    old = tmp_path / "old" / "cgkit_x-1.0.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: cgkit-x\nVersion: 1.0\n")
    (old / "entry_points.txt").write_text("[cgkit]\ncgkit_x = cgkit_x\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(old.parent)])
    assert status_of(load_plugins(), "cgkit-x").version == "2.0"


class TestTheAllowList:
    def states(self, plugins: Plugins) -> dict[str, str]:
        return {status.distribution: status.state for status in plugins.statuses}

    @pytest.fixture(autouse=True)
    def _two_plugins(self, install):
        install("cgkit-x", good("x"))
        install("cgkit-y", "1 / 0")

    def test_unset_allows_all(self):
        assert self.states(load_plugins()) == {"cgkit": "ok", "cgkit-x": "ok", "cgkit-y": "failed"}

    @pytest.mark.parametrize("value", ["cgkit-x", " cgkit-x ,", "Cgkit_X"])
    def test_allows_the_packages_in_it_and_imports_no_others(self, monkeypatch, value):
        monkeypatch.setenv("CGKIT_PLUGINS", value)
        plugins = load_plugins()
        assert self.states(plugins) == {"cgkit": "ok", "cgkit-x": "ok", "cgkit-y": "blocked"}
        assert status_of(plugins, "cgkit-y").reason == "not allowed by CGKIT_PLUGINS"
        assert plugins.blocked == [status_of(plugins, "cgkit-y")]

    @pytest.mark.parametrize("value", ["-cgkit-y", " -Cgkit_Y ,", "-cgkit-y,cgkit-x", "cgkit-x,cgkit-y,-cgkit-y"])
    def test_a_minus_excludes_a_package(self, monkeypatch, value):
        monkeypatch.setenv("CGKIT_PLUGINS", value)
        assert {"cgkit-x": "ok", "cgkit-y": "blocked"}.items() <= self.states(load_plugins()).items()

    def test_excluding_a_package_that_is_not_installed_is_reported(self, monkeypatch):
        monkeypatch.setenv("CGKIT_PLUGINS", "-cgkit-z")
        status = status_of(load_plugins(), "cgkit-z")
        assert (status.state, status.reason) == ("failed", "in CGKIT_PLUGINS, but not installed")

    @pytest.mark.parametrize("value", ["", " ", ","])
    def test_empty_allows_none(self, monkeypatch, value):
        monkeypatch.setenv("CGKIT_PLUGINS", value)
        assert self.states(load_plugins()) == {"cgkit": "ok", "cgkit-x": "blocked", "cgkit-y": "blocked"}
        assert "cgkit_x" not in sys.modules

    def test_with_a_package_that_is_not_installed_is_reported(self, monkeypatch):
        monkeypatch.setenv("CGKIT_PLUGINS", "cgkit-x,cgkit-z")
        status = status_of(load_plugins(), "cgkit-z")
        assert (status.state, status.reason) == ("failed", "in CGKIT_PLUGINS, but not installed")


class TestANameWithTwoProviders:
    def test_must_be_qualified(self, install):
        install("cgkit-x", good("same"))
        install("cgkit-y", good("same"))
        registry = load_plugins().registries.generators
        with pytest.raises(PluginError, match='write "cgkit-x/same" or "cgkit-y/same"'):
            registry["same"]
        assert registry["cgkit-y/same"].provider == "cgkit-y"

    def test_does_not_replace_a_built_in_component(self, install):
        install("cgkit-x", good("resnet"))
        registry = load_plugins().registries.generators
        assert registry["resnet"].qualified_name == "cgkit/resnet"
        assert registry["cgkit-x/resnet"].provider == "cgkit-x"
        assert registry.choose(None).qualified_name == "cgkit/resnet"


class TestASpec:
    def test_that_needs_a_failed_plugin_reports_it_with_the_reason(self, install, tmp_path):
        install("cgkit-bad", "import lpips_of_nobody")
        file = tmp_path / "spec.toml"
        file.write_text('\n[[metric]]\nname = "lpips"')
        with pytest.raises(SpecError) as caught:
            load_spec(file, load_plugins())
        assert caught.value.exit_code == 4
        problems = [problem for problem in caught.value.problems if problem.path == "metric.0.name"]
        assert str(problems[0]).startswith(
            f'{file}:3: metric.0.name: no metric is called "lpips"; cgkit-bad could not be loaded:'
            " ModuleNotFoundError: No module named 'lpips_of_nobody'"
        )

    def test_that_does_not_need_it_loads(self, install, tmp_path):
        install("cgkit-bad", "import lpips_of_nobody")
        install("cgkit-good", good())
        file = tmp_path / "spec.toml"
        file.write_text('generator = { name = "good", heads = 3 }')
        plugins = load_plugins()
        assert plugins.failed
        assert load_spec(file, plugins).generator.a2b.options == {"heads": 3}


@pytest.mark.parametrize(
    "statement",
    [
        "import cgkit",
        "import cgkit.cli",
        "from cgkit.plugins import load_plugins; load_plugins()",
        "from cgkit.plugins import load_plugins; [str(c) for r in load_plugins().registries for c in r]",
        "from cgkit.cli import main\ntry: main(['list-components', '--json'])\nexcept SystemExit: pass",
        "from cgkit.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_nothing_heavy_is_imported_by(statement):
    check = "import sys\nheavy = {'torch', 'numpy', 'kornia', 'PIL', 'torchvision', 'safetensors'} & set(sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{check}\nsys.exit(f'heavy: {{heavy}}' if heavy else 0)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "", "CGKIT_PLUGINS": ""},
    )
    assert (finished.returncode, finished.stderr) == (0, "")


def test_hooks_are_called_in_pluggys_order_last_loaded_first(install):
    source = "import cgkit\n@cgkit.hookimpl{}\ndef cgkit_commands(cli): cli.append(__name__)\n"
    install("cgkit-a", source.format(""))
    install("cgkit-b", source.format("(trylast=True)"))
    install("cgkit-c", source.format(""))
    plugins = load_plugins()
    called: list[str] = []
    for name, hook in plugins.implementations("cgkit_commands"):
        hook(cli=called)
        assert name.partition(":")[0].replace("-", "_") == called[-1]
    assert called == ["cgkit_c", "cgkit_a", "cgkit_b"]
    called_by_pluggy: list[str] = []
    plugins.manager.hook.cgkit_commands(cli=called_by_pluggy)
    assert called_by_pluggy == called
