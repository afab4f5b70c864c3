"""Components are found by name, never replaced silently, and imported on first use."""

from __future__ import annotations

import sys

import pytest

from cgkit.contracts import KINDS
from cgkit.errors import PluginError, UnknownComponentError
from cgkit.registry import Registries, describe_exception


class Plain:
    """A plain one.

    With more to say.
    """


@pytest.fixture
def registries() -> Registries:
    return Registries()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that can be imported in a test."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str, name: str = "cgkit_component_of_a_test") -> str:
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    yield write
    for name in [
        name for name, loaded in sys.modules.items() if str(tmp_path) in (getattr(loaded, "__file__", "") or "")
    ]:
        del sys.modules[name]


def test_every_kind_has_a_registry(registries):
    assert [registry.kind for registry in registries] == list(KINDS)
    for kind in KINDS:
        assert getattr(registries, kind.name) is registries[kind.name]


def test_a_component_is_found_by_its_name_with_and_without_its_provider(registries):
    registries.metrics.add("plain", Plain)
    component = registries.metrics["plain"]
    assert component is registries.metrics["cgkit/plain"]
    assert (component.name, component.provider, component.qualified_name) == ("plain", "cgkit", "cgkit/plain")
    assert component.load() is Plain
    assert str(component) == 'metric "plain" of cgkit'


def test_a_summary_is_the_first_line_of_the_docstring_but_not_a_base_classes(registries):
    class Derived(Plain):
        pass

    registries.metrics.add("plain", Plain)
    registries.metrics.add("derived", Derived)
    registries.metrics.add("said", Plain, summary="Said.")
    assert [component.summary for component in registries.metrics] == ["", "A plain one.", "Said."]


DOCUMENTED = '''
class Found:
    """A class.

    Its details.
    """

def function():
    """A function."""

1 / 0
'''


def test_the_summary_of_a_named_target_is_read_from_its_source_without_an_import(registries, module):
    name = module(DOCUMENTED)
    registries.metrics.add("class", f"{name}:Found")
    registries.metrics.add("explicit", f"{name}:Found", summary="Another one.")
    registries.metrics.add("function", f"{name}:function")
    assert [component.summary for component in registries.metrics] == ["A class.", "Another one.", "A function."]
    assert name not in sys.modules


@pytest.mark.parametrize("source", ["", "class Found:\n    pass", "Found = 5", "class Found", "\0"])
def test_a_named_target_without_a_readable_docstring_has_an_empty_summary(registries, module, source):
    registries.metrics.add("found", f"{module(source)}:Found")
    assert registries.metrics["found"].summary == ""


@pytest.mark.parametrize("target", ["cgkit_missing_package:Found", "cgkit_missing_package.deeper:Found", "sys:Found"])
def test_a_named_target_without_a_source_file_has_an_empty_summary(registries, target):
    registries.metrics.add("found", target)
    assert registries.metrics["found"].summary == ""


def test_a_package_that_cannot_be_imported_makes_the_summary_empty(registries, module, tmp_path, capsys):
    (tmp_path / "cgkit_package_of_a_test").mkdir()
    module("print(1234)\nraise SystemExit", "cgkit_package_of_a_test/__init__")
    registries.metrics.add("found", "cgkit_package_of_a_test.module:Found")
    assert registries.metrics["found"].summary == ""
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["", "Upper", "under_score", "a/b", "-a", "a b", "ä", "a\n", 5])
def test_a_malformed_name_is_refused(registries, name):
    with pytest.raises(PluginError, match="is not a valid component name"):
        registries.metrics.add(name, Plain)


@pytest.mark.parametrize(
    "target", ["module", "module:", ":attribute", "module:a.b", "a b:c", "os:system('x')", "", 5, None]
)
def test_a_malformed_target_is_refused(registries, target):
    with pytest.raises(PluginError):
        registries.metrics.add("plain", target)


def test_a_provider_registers_a_name_only_once(registries):
    registries.metrics.add("plain", Plain)
    with pytest.raises(PluginError, match="metric 'plain' is registered twice by cgkit"):
        registries.metrics.add("plain", Plain)
    registries.trackers.add("plain", Plain)


def test_only_a_built_in_component_can_be_a_default(registries):
    registries.metrics.add("plain", Plain, default=True)
    assert registries.metrics.choose(None).name == "plain"
    with pytest.raises(PluginError, match="the meaning of a spec must not depend on the installed plugins"):
        Registries("cgkit-x").metrics.add("plain", Plain, default=True)


def test_a_bare_name_always_means_the_built_in_component(registries):
    registries.adversarial_losses.add("plain", Plain)
    other = Registries("cgkit-x")
    other.adversarial_losses.add("plain", Plain)
    registries.merge(other)
    built_in, stranger = registries.adversarial_losses["plain"], registries.adversarial_losses["cgkit-x/plain"]
    assert (built_in.provider, stranger.provider) == ("cgkit", "cgkit-x")
    assert registries.adversarial_losses.reference(built_in) == "plain"
    assert registries.adversarial_losses.reference(stranger) == "cgkit-x/plain"


def test_a_name_with_two_providers_must_be_qualified(registries):
    for provider in ("cgkit-x", "cgkit-y"):
        other = Registries(provider)
        other.adversarial_losses.add("plain", Plain)
        registries.merge(other)
    with pytest.raises(PluginError) as caught:
        registries.adversarial_losses["plain"]
    assert str(caught.value) == (
        'adversarial loss "plain" is provided by several packages; write "cgkit-x/plain" or "cgkit-y/plain"'
    )
    component = registries.adversarial_losses["cgkit-x/plain"]
    assert component.provider == "cgkit-x"
    assert registries.adversarial_losses.reference(component) == "cgkit-x/plain"
    assert [component.provider for component in registries.adversarial_losses] == ["cgkit-x", "cgkit-y"]
    assert len(registries.adversarial_losses) == 2


def test_an_unknown_name_is_reported_with_suggestions(registries):
    registries.metrics.add("plain", Plain)
    for name, hint in (
        ("plan", 'did you mean "plain"?'),
        ("x", "available: plain"),
        ("x/plain", 'did you mean "cgkit/plain"?'),
    ):
        with pytest.raises(UnknownComponentError) as caught:
            registries.metrics[name]
        assert str(caught.value) == f'no metric is called "{name}"; {hint}'


def test_components_added_after_a_merge_are_not_included(registries):
    late = Registries("cgkit-x")
    registries.merge(late)
    late.metrics.add("late", Plain)
    assert len(registries.metrics) == 0


class TestLoading:
    def test_imports_on_first_use(self, registries, module):
        name = module("class Found:\n    pass")
        registries.metrics.add("found", f"{name}:Found")
        assert name not in sys.modules
        assert registries.metrics["found"].load().__name__ == "Found"

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("", "cannot be loaded: AttributeError: module 'cgkit_component_of_a_test' has no attribute 'Found'"),
            ("Found = 5", "cannot be used: cgkit_component_of_a_test:Found is not callable"),
            (
                "import cgkit_missing_package",
                "cannot be loaded: ModuleNotFoundError: No module named 'cgkit_missing_package'",
            ),
            ("def", "cannot be loaded: SyntaxError: invalid syntax"),
            ("1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
            ("import sys; sys.exit(3)", "cannot be loaded: SystemExit: 3"),
        ],
    )
    def test_reports_a_failure_in_one_line(self, registries, module, source, reason):
        registries.metrics.add("found", f"{module(source)}:Found")
        with pytest.raises(PluginError) as caught:
            registries.metrics["found"].load()
        assert str(caught.value).startswith(f'metric "found" of cgkit {reason}')
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 4

    def test_names_a_missing_module(self, registries):
        registries.metrics.add("found", "cgkit_missing_package.deeper:Found")
        with pytest.raises(PluginError, match="No module named 'cgkit_missing_package'"):
            registries.metrics["found"].load()

    def test_redirects_stdout_to_stderr(self, registries, module, capsys):
        registries.metrics.add("found", module("print(1234)\nFound = dict") + ":Found")
        assert registries.metrics["found"].load() is dict
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", "1234\n")

    def test_does_not_catch_a_keyboard_interrupt(self, registries, module):
        registries.metrics.add("found", module("raise KeyboardInterrupt") + ":Found")
        with pytest.raises(KeyboardInterrupt):
            registries.metrics["found"].load()


def test_an_exception_is_described_in_one_line():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    assert describe_exception(ValueError("a\n  b")) == "ValueError: a b"
    assert describe_exception(ValueError()) == "ValueError"
    assert describe_exception(MuteError()) == "MuteError"
    assert len(describe_exception(ValueError("word " * 1000))) < 600
