"""What is asked of every component: that it can be built, and that its options explain themselves."""

from __future__ import annotations

import pickle

from torch import nn
from torch.nn.utils import parametrize

from cgkit.options import REQUIRED, check_options, options_of
from cgkit.testing.check import EVERYTHING, NotApplicableError, check
from cgkit.testing.subject import Subject

PICKLED = tuple(kind for kind in EVERYTHING if kind != "trackers")  # which stay in the process that made them


@check(*EVERYTHING)
def can_be_built(subject: Subject) -> None:
    """It is built from its defaults, or from its own example where options have none."""
    required = [name for name, option in options_of(subject.component).items() if option.default is REQUIRED]
    missing = [name for name in required if name not in subject.options]
    assert not missing, (
        f"the options {', '.join(missing)} have no default: give it a static method example(folder) that returns some"
    )
    subject.build()


@check(*EVERYTHING)
def options_are_typed_and_documented(subject: Subject) -> None:
    """Every keyword-only parameter has a type that can be checked, a fitting default, and a sentence in `Args:`."""
    options = options_of(subject.component)
    silent = [name for name, option in options.items() if not option.meaning]
    assert not silent, f"say in the docstring's Args: what these options mean: {', '.join(silent)}"
    _, problems = check_options(subject.component, subject.options)
    assert not problems, f"its own example is refused: {problems[0]}"


@check(*EVERYTHING)
def unknown_options_are_refused(subject: Subject) -> None:
    """An option that it has not got is a problem of the spec, not something that is passed over."""
    _, problems = check_options(subject.component, {**subject.options, "an_option_that_nobody_has": 1})
    assert any("an_option_that_nobody_has" in str(problem) for problem in problems), (
        "took an option that it does not name: its __init__ should name each option and take no **kwargs"
    )


@check(*EVERYTHING)
def has_a_summary_of_one_sentence(subject: Subject) -> None:
    """Listings say in one sentence what it is."""
    summary = subject.component.summary
    assert summary, "register it with summary=..., or give it a docstring"
    assert "\n" not in summary, "its summary has several lines"
    assert len(summary) <= 200, f"its summary has {len(summary)} characters, more than the 200 that fit a listing"


@check(*PICKLED)
def can_be_pickled(subject: Subject) -> None:
    """It comes back from pickle as what it was: loader workers and other processes receive it so."""
    made = subject.build()
    if isinstance(made, nn.Module) and any(parametrize.is_parametrized(module) for module in made.modules()):
        raise NotApplicableError  # such as spectral norm: torch itself refuses to pickle it
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is type(made), f"came back from pickle as a {type(again).__name__}"
