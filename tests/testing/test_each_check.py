"""Each check of the conformance kit finds what it is there for, and nothing else."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from cgkit.contracts import kind_named
from cgkit.registry import Component
from cgkit.testing import check_component
from cgkit.testing.checks import all_checks
from tests.testing.broken import BROKEN, GOOD, HOPELESS

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
