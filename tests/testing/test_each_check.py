"""Each check of the conformance kit finds what it is there for, and nothing else."""

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
from cgkit.testing.runner import failure_of
from cgkit.testing.subject import subject_of
from tests.testing.broken import BROKEN, GOOD, HOPELESS
from tests.testing.broken_otherwise import OTHERWISE

ELSEWHERE = {"has-a-summary-of-one-sentence", "importing-does-no-work"}
"""Checks whose broken components are no classes: they have tests of their own below."""


def component(kind: str, target: Any, summary: str = "A component under test.") -> Component:
    return Component(kind_named(kind), "under-test", "cgkit-x", target, summary)


def failed(subject: Component) -> dict[str, str]:
    """The reasons of the checks that fail, by name."""
    return {result.check: result.reason for result in check_component(subject) if result.outcome == "failed"}


@pytest.mark.parametrize(
    ("kind", "target"), [(kind, one) for kind, several in GOOD.items() for one in several], ids=lambda one: str(one)
)
def test_a_component_that_keeps_its_contract_passes(kind: str, target: Any) -> None:
    assert failed(component(kind, target)) == {}


@pytest.mark.parametrize("check", BROKEN)
def test_a_component_that_breaks_one_thing_fails_that_check_alone(check: str) -> None:
    reasons = failed(component(*BROKEN[check]))
    assert reasons.keys() == {check}
    assert len(reasons[check]) > 20, "a reason says what was expected and what came"


@pytest.mark.parametrize(("check", "kind", "target"), OTHERWISE, ids=[target.__name__ for _, _, target in OTHERWISE])
def test_a_check_finds_what_else_there_is_to_break(check: str, kind: str, target: Any) -> None:
    (made,) = [one for one in checks_for(component(kind, target)) if one.name == check]
    with subject_of(component(kind, target)) as subject:
        assert failure_of(made, subject) is not None


@pytest.mark.parametrize("check", HOPELESS)
def test_a_component_that_cannot_be_built_fails_that_check_among_others(check: str) -> None:
    assert check in failed(component(*HOPELESS[check]))


def test_every_check_has_a_component_that_breaks_it() -> None:
    assert {check.name for check in all_checks()} == BROKEN.keys() | HOPELESS.keys() | ELSEWHERE


def test_every_check_says_in_a_sentence_what_it_asks_for() -> None:
    for check in all_checks():
        assert check.summary.endswith("."), check.name
        assert check.kinds, check.name


@pytest.mark.parametrize("summary", ["", "Two\nlines.", "long " * 60])
def test_a_component_without_a_fit_summary_fails_that_check_alone(summary: str) -> None:
    assert failed(component("schedules", GOOD["schedules"][0], summary)).keys() == {"has-a-summary-of-one-sentence"}


GOOD_MODULE = """
class Quiet:
    '''Linearly down.'''

    def __call__(self, step, steps, epoch_steps):
        return 1 - step / steps
"""


def test_what_lies_in_the_same_package_does_no_work_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package_under_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tables.py").touch()
    (package / "module.py").write_text(f"import package_under_test.tables\n{GOOD_MODULE}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    quiet = importlib.import_module("package_under_test.module").Quiet
    try:
        assert failed(component("schedules", quiet)) == {}
        (package / "tables.py").write_text("print('counting')")
        assert "printed 'counting'" in failed(component("schedules", quiet))["importing-does-no-work"]
    finally:
        for name in [name for name in sys.modules if name.startswith("package_under_test")]:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("work", "told"),
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
def test_a_module_that_does_work_when_it_is_imported_fails_that_check_alone(
    tmp_path: Path, work: str, told: str
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
        assert failed(component("schedules", module.Quiet)) == {}
        file.write_text(work + "\n" + GOOD_MODULE)
        reasons = failed(component("schedules", module.Quiet))
    finally:
        del sys.modules["module_under_test"]
    assert reasons.keys() == {"importing-does-no-work"}
    assert told in reasons["importing-does-no-work"]
