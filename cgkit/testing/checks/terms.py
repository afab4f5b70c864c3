"""Checks of terms of the objective."""

from __future__ import annotations

import dataclasses
from typing import get_args

import torch
from torch import Tensor, nn

from cgkit.abilities import is_trained, needs_of
from cgkit.contracts import Extra, Generated, Given, Need
from cgkit.data.randomness import seeded
from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject
from cgkit.testing.usage import SmallGenerator, given_images, prepared_term

GENERATED = get_args(Generated)


@check("terms")
def terms_say_what_they_need(subject: Subject) -> None:
    """`needs` has only names that the engine knows, and at least one generated image."""
    needs = needs_of(subject.build())
    unknown = [need for need in needs if need not in get_args(Need)]
    assert not unknown, f"needs {unknown[0]!r}, which is not one of {', '.join(get_args(Need))}"
    assert set(needs) & set(GENERATED), f"needs no generated image: name one of {', '.join(GENERATED)}"


@check("terms")
def terms_are_finite_scalars(subject: Subject) -> None:
    """A term and its gradients are finite scalars, for noise, for equal images and for images of one colour."""
    term = prepared_term(subject)
    for name, level in (("noise", None), ("images of one colour", 0.3), ("white images", 1.0)):
        given = given_images(term, level=level)
        with seeded(0):
            value = term(given)
        assert isinstance(value, Tensor), f"for {name}, returns a {type(value).__name__}; expected a tensor"
        assert value.numel() == 1, f"for {name}, returns shape {tuple(value.shape)}; expected a scalar"
        assert torch.isfinite(value).all(), f"for {name}, returns {float(value.detach())}"
        gradients = torch.autograd.grad(value.sum(), _list_generated(given), allow_unused=True, materialize_grads=True)
        finite = all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
        assert finite, f"for {name}, its gradient is not finite"


@check("terms")
def terms_teach_the_generator(subject: Subject) -> None:
    """The gradient reaches a generated image or the generator and, if the term is trained, all of its parameters."""
    term = prepared_term(subject).requires_grad_(False)
    before = set(term.state_dict())
    if is_trained(term):
        term.requires_grad_(True)
    given = given_images(term)
    learners = [*_list_generated(given), *given.generator.parameters()]
    own = dict(term.named_parameters()) if is_trained(term) else {}
    with seeded(0):
        value = term(given)
    created = set(term.state_dict()) - before
    assert not created, f"creates {min(created, default='')} when it is called: create its layers in `prepare`"
    assert value.requires_grad, "no gradient of the term reaches the generator"
    gradients = torch.autograd.grad(value.sum(), [*learners, *own.values()], allow_unused=True)
    assert any(g is not None and bool(g.any()) for g in gradients[: len(learners)]), (
        "no gradient of the term reaches the generator"
    )
    for name, gradient in zip(own, gradients[len(learners) :], strict=True):
        assert gradient is not None, f"declares trained = True, but no gradient reaches {name}"


@check("terms")
def terms_ignore_images_without_extras(subject: Subject) -> None:
    """If no image has a mask, label or partner, a term that needs one does not depend on the images."""
    term = prepared_term(subject)
    extras = [need for need in needs_of(term) if need in get_args(Extra)]
    if not extras:
        raise NotApplicableError
    values = []
    for seed in (0, 1):
        given = given_images(term, seed=seed)
        given = dataclasses.replace(given, present={name: torch.zeros(2) for name in extras})
        with seeded(0), torch.no_grad():
            values.append(float(term(given)))
    assert values[0] == values[1], f"without a {extras[0]}, depends on the images: multiply by given.present"


@check("terms")
def terms_work_under_autocast(subject: Subject) -> None:
    """Under bf16 autocast, a term is finite and close to its value in float32."""
    term = prepared_term(subject)
    given = given_images(term)
    with torch.no_grad():
        with seeded(0):
            exact = float(term(given))
        with seeded(0), torch.autocast("cpu", torch.bfloat16):
            rounded = float(term(given))
    assert abs(rounded - exact) <= 0.1 * abs(exact) + 1e-2, f"is {rounded:g} under bf16 autocast, {exact:g} in float32"


@check("terms")
def terms_leave_the_generator_alone(subject: Subject) -> None:
    """A term neither keeps the generator as one of its own modules nor changes its parameters."""
    generator = SmallGenerator()
    before = [parameter.detach().clone() for parameter in generator.parameters()]
    term = prepared_term(subject, generator)
    with seeded(0):
        term(dataclasses.replace(given_images(term), generator=generator))
    inside = [name for name, module in term.named_modules() if isinstance(module, nn.Module) and module is generator]
    assert not inside, f"keeps the generator as {inside[0]}: checkpoints would contain it twice"
    after = list(generator.parameters())
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True)), "changes the generator's parameters"


def _list_generated(given: Given) -> list[Tensor]:
    """Return the generated images that a term is given."""
    return [image for image in (getattr(given, need) for need in GENERATED) if image is not None]
