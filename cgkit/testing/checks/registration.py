"""Checks for every component, for example that it can be built and that its options are documented."""

from __future__ import annotations

import pickle

from torch import nn
from torch.nn.utils import parametrize

from cgkit.options import REQUIRED, check_options, options_of
from cgkit.testing.check import EVERYTHING, NotApplicableError, check
from cgkit.testing.subject import Subject

PICKLED = tuple(kind for kind in EVERYTHING if kind not in ("trackers", "terms", "optimizers", "exporters"))
"""Kinds whose components are sent to other processes; the others stay in the process that built them."""


@check(*EVERYTHING)
def can_be_built(subject: Subject) -> None:
    """The component can be built with its defaults, or with its own example if some options have no default."""
    required = [name for name, option in options_of(subject.component).items() if option.default is REQUIRED]
    missing = [name for name in required if name not in subject.options]
    assert not missing, (
        f"these options have no default: {', '.join(missing)}; add a static method example(folder) that returns values"
    )
    subject.build()


@check(*EVERYTHING)
def options_are_typed_and_documented(subject: Subject) -> None:
    """Every keyword-only parameter has a type that can be validated, a valid default, and a sentence in `Args:`."""
    options = options_of(subject.component)
    undocumented = [name for name, option in options.items() if not option.meaning]
    assert not undocumented, f"document these options in the docstring's Args: section: {', '.join(undocumented)}"
    _, problems = check_options(subject.component, subject.options)
    assert not problems, f"its own example is invalid: {problems[0]}"


@check(*EVERYTHING)
def unknown_options_are_refused(subject: Subject) -> None:
    """An unknown option in a spec is an error instead of being silently ignored."""
    _, problems = check_options(subject.component, {**subject.options, "an_option_that_nobody_has": 1})
    assert any("an_option_that_nobody_has" in str(problem) for problem in problems), (
        "accepted an unknown option: its __init__ should name each option and take no **kwargs"
    )


@check(*EVERYTHING)
def has_a_summary_of_one_sentence(subject: Subject) -> None:
    """The component has a summary of one sentence for listings."""
    summary = subject.component.summary
    assert summary, "register it with summary=..., or give it a docstring"
    assert "\n" not in summary, "its summary has several lines"
    assert len(summary) <= 200, f"its summary has {len(summary)} characters, more than the 200 that fit in a listing"


@check(*PICKLED)
def can_be_pickled(subject: Subject) -> None:
    """The component can be pickled and unpickled, so that it can be sent to loader workers and other processes."""
    built = subject.build()
    if isinstance(built, nn.Module) and any(parametrize.is_parametrized(module) for module in built.modules()):
        raise NotApplicableError  # torch refuses to pickle parametrised modules, such as those with spectral norm
    restored = pickle.loads(pickle.dumps(built))
    assert type(restored) is type(built), f"unpickled as a {type(restored).__name__}"
