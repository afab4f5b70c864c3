"""Error messages and exit codes."""

from __future__ import annotations

import pytest

from cgkit import errors
from cgkit.errors import CgkitError, Problem, SpecError, did_you_mean, dotted


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (
            Problem("train.stepz", "unknown key", 'did you mean "steps"?', "spec.toml", 6),
            'spec.toml:6: train.stepz: unknown key; did you mean "steps"?',
        ),
        (Problem("train.steps", "is required", file="spec.toml"), "spec.toml: train.steps: is required"),
        (Problem("train.steps", "is required"), "train.steps: is required"),
        (Problem("", "there is no such file", file="x.toml"), "x.toml: there is no such file"),
    ],
)
def test_a_problem_has_location_message_and_hint(problem, text):
    assert str(problem) == text


def test_a_spec_error_has_all_problems_and_the_largest_exit_code():
    error = SpecError([Problem("a", "x"), Problem("b", "y", exit_code=4), Problem("c", "z")])
    assert str(error) == "a: x\nb: y\nc: z"
    assert error.exit_code == 4
    assert SpecError([Problem("a", "x")]).exit_code == 2


def test_an_error_ends_with_its_hint():
    assert str(CgkitError("no room", hint="make some")) == "no room; make some"
    assert str(CgkitError("no room")) == "no room"


def test_every_error_has_its_documented_exit_code():
    codes = {
        name: error.exit_code
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, CgkitError)
    }
    del codes["SpecError"]  # depends on its problems
    assert codes == {
        "CgkitError": 1,
        "UsageError": 2,
        "UnknownComponentError": 2,
        "DataError": 3,
        "DamagedImageError": 3,
        "PluginError": 4,
        "CheckpointError": 5,
        "DivergedError": 6,
        "ResourceError": 7,
        "RunFolderInUseError": 8,
    }


def test_a_place_is_written_as_in_toml():
    assert dotted(["augmentation", 0, "name"]) == "augmentation.0.name"
    assert dotted(["a.b", "", "ü\n"]) == '"a.b".""."\\u00fc\\n"'
    assert len(dotted(["x" * 1000])) == 62


def test_the_most_similar_name_is_suggested():
    assert did_you_mean("stepz", ["steps", "epochs"]) == 'did you mean "steps"?'
    assert did_you_mean("stepz", []) is None
    assert did_you_mean("colour", ["steps"]) is None
