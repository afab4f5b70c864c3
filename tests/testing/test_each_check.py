"""Each check of the conformance kit rejects a component that violates it, and accepts the others."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from cgkit.contracts import kind_named
from cgkit.registry import Component
from cgkit.testing import check_component
from cgkit.testing.check import all_checks, checks_for
from cgkit.testing.runner import require
from cgkit.testing.subject import subject_of
from tests.testing import broken  # noqa: F401 - registers the examples
from tests.testing.broken.registry import BROKEN, BROKEN_ALONE, GOOD, Example
from tests.testing.broken.schedules import Schedule

NEVER_BROKEN_ALONE = {"can-be-built", "unknown-options-are-refused"}
"""Checks whose broken components cannot be built, so they fail other checks as well."""

TESTED_BELOW = {"has-a-summary-of-one-sentence", "importing-does-no-work"}
"""Checks that depend on more than the component's class."""

TESTED_ELSEWHERE = {"registering-is-quick-and-silent", "translates-in-tiles"}
"""Checks of the package, and those that never fail; `test_remarks.py` and `test_registering.py` test them."""


def make_component(kind: str, target: Any, summary: str = "A component under test.") -> Component:
    return Component(kind_named(kind), "under-test", "cgkit-x", target, summary)


def failures(component: Component) -> dict[str, str]:
    """Return the reasons of the failed checks, by check."""
    return {result.check: result.reason for result in check_component(component) if result.outcome == "failed"}


def name_of(example: Example) -> str:
    return f"{example.kind}-{example.target.__name__}"


@pytest.mark.parametrize("example", GOOD, ids=name_of)
def test_a_component_that_keeps_its_contract_passes(example: Example) -> None:
    assert failures(make_component(example.kind, example.target)) == {}


@pytest.mark.parametrize("example", BROKEN_ALONE, ids=lambda example: example.check)
def test_a_component_with_one_mistake_fails_only_that_check(example: Example) -> None:
    reasons = failures(make_component(example.kind, example.target))
    assert reasons.keys() == {example.check}
    assert len(reasons[example.check]) > 20, "a reason states the expected and the actual result"


@pytest.mark.parametrize("example", BROKEN, ids=name_of)
def test_a_check_finds_further_mistakes(example: Example) -> None:
    component = make_component(example.kind, example.target)
    (check,) = [check for check in checks_for(component) if check.name == example.check]
    with subject_of(component) as subject, pytest.raises(AssertionError):
        require(check, subject)


def test_every_check_has_a_component_that_fails_it() -> None:
    alone = {example.check for example in BROKEN_ALONE}
    assert {check.name for check in all_checks()} == alone | NEVER_BROKEN_ALONE | TESTED_BELOW | TESTED_ELSEWHERE
    assert {example.check for example in BROKEN} >= NEVER_BROKEN_ALONE


def test_every_check_has_a_kind_and_a_summary() -> None:
    for check in all_checks():
        assert check.summary.endswith("."), check.name
        assert check.kinds, check.name


@pytest.mark.parametrize("summary", ["", "Two\nlines.", "long " * 60])
def test_a_component_with_a_bad_summary_fails_only_that_check(summary: str) -> None:
    assert failures(make_component("schedules", Schedule, summary)).keys() == {"has-a-summary-of-one-sentence"}


GOOD_MODULE = """
class Quiet:
    '''Linear decay.'''

    def __call__(self, step, steps, epoch_steps):
        return 1 - step / steps
"""


def test_the_rest_of_the_package_must_have_no_side_effects_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package_under_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tables.py").touch()
    (package / "module.py").write_text(f"import package_under_test.tables\n{GOOD_MODULE}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    component = make_component("schedules", importlib.import_module("package_under_test.module").Quiet)
    try:
        assert failures(component) == {}
        (package / "tables.py").write_text("print('counting')")
        assert "printed 'counting'" in failures(component)["importing-does-no-work"]
    finally:
        for name in [name for name in sys.modules if name.startswith("package_under_test")]:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("print('hello')", "printed 'hello'"),
        ("import torch; torch.rand(1)", "torch's random numbers"),
        ("import random; random.random()", "Python's random numbers"),
        ("import numpy; numpy.random.rand()", "numpy's random numbers"),
        ("import torch; torch.set_default_dtype(torch.float64)", "torch's default type"),
        ("import torch; torch.set_grad_enabled(False)", "whether gradients are computed"),
        ("import os; os.environ['OMP_NUM_THREADS'] = '7'", "the environment"),
        ("import pathlib; pathlib.Path('cache.bin').touch()", "wrote cache.bin"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "opened a network connection"),
        ("import sys; sys.argv.append('--fast')", "the arguments"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(5,), daemon=True).start()", "threads"),
    ],
)
def test_a_module_with_side_effects_on_import_fails_only_that_check(
    tmp_path: Path, statement: str, reason: str
) -> None:
    file = tmp_path / "module_under_test.py"
    file.write_text(GOOD_MODULE)
    specification = importlib.util.spec_from_file_location("module_under_test", file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["module_under_test"] = module
    try:
        specification.loader.exec_module(module)
        component = make_component("schedules", module.Quiet)
        assert failures(component) == {}
        file.write_text(statement + "\n" + GOOD_MODULE)
        reasons = failures(component)
    finally:
        del sys.modules["module_under_test"]
    assert reasons.keys() == {"importing-does-no-work"}
    assert reason in reasons["importing-does-no-work"]
