"""The contract of hooks: they never lose arguments, and are documented."""

from __future__ import annotations

import inspect

import pytest

import cgkit
from cgkit import hookspecs
from cgkit.plugins import HOOKS, load_plugins

CONTRACT = {
    "cgkit_register": ["registries"],
    "cgkit_commands": ["cli"],
    "cgkit_run_started": ["run"],
    "cgkit_step_finished": ["run", "step", "losses"],
    "cgkit_samples_written": ["run", "step", "file"],
    "cgkit_checkpoint_saved": ["run", "step", "folder"],
    "cgkit_run_finished": ["run", "error"],
}
"""The hooks and arguments promised to plugins: none may be removed."""


@pytest.mark.parametrize(("hook", "arguments"), CONTRACT.items())
def test_a_promised_hook_keeps_its_arguments(hook, arguments):
    assert list(inspect.signature(getattr(hookspecs, hook)).parameters)[: len(arguments)] == arguments


def test_every_hook_is_part_of_the_contract_and_documented():
    assert set(HOOKS) == CONTRACT.keys()
    assert all(inspect.getdoc(getattr(hookspecs, hook)) for hook in HOOKS)


def test_a_hook_may_be_implemented_with_fewer_arguments():
    seen = []

    class Observer:
        @cgkit.hookimpl
        def cgkit_step_finished(self, step):
            seen.append(step)

    plugins = load_plugins(installed=False)
    plugins.manager.register(Observer())
    plugins.manager.hook.cgkit_step_finished(run=None, step=3, losses={})
    assert seen == [3]
