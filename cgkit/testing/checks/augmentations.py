"""What is asked of augmentations."""

from __future__ import annotations

import pickle
from typing import Any

import torch
from torch import Tensor

from cgkit.options import options_of
from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject
from cgkit.testing.usage import run_augmentation

ROLES = ("data", "adversarial", "framing")
SEEDS = range(8)
"""Draws that are tried: an augmentation does something on some of them."""


def images(channels: int = 3, size: tuple[int, int] = (32, 32), batch: int = 1) -> Tensor:
    """Return noise in [0, 1] with black and white in it."""
    made = torch.rand(batch, channels, *size, generator=torch.Generator().manual_seed(0))
    made[..., :4, :4] = 0
    made[..., -4:, -4:] = 1
    return made


@check("augmentations")
def augmentations_have_a_role(subject: Subject) -> None:
    """Its `role` is one of "data", "adversarial" and "framing"."""
    role = getattr(subject.build(), "role", None)
    assert role in ROLES, f"its role is {role!r}, not one of {', '.join(ROLES)}"


@check("augmentations")
def augmentations_keep_shape_and_type(subject: Subject) -> None:
    """Shape and dtype stay, with one channel and with three; framing returns the size that is asked for."""
    made = subject.build()
    batch = 2 if made.role == "adversarial" else 1
    for channels, size in ((3, (32, 32)), (1, (32, 32)), (3, (32, 48))):
        for seed in SEEDS:
            given = images(channels, size, batch)
            expected = (batch, channels, *((24, 24) if made.role == "framing" else size))
            out = _drawn(made, given, seed)
            assert isinstance(out, Tensor), f"returns a {type(out).__name__} in place of a tensor"
            assert out.shape == expected, f"turned {tuple(given.shape)} into {tuple(out.shape)}, not {expected}"
            assert out.dtype == given.dtype, f"turned {given.dtype} into {out.dtype}"


@check("augmentations")
def augmentations_stay_in_range(subject: Subject) -> None:
    """Training images stay in [0, 1]; what a discriminator sees stays finite."""
    made = subject.build()
    for seed in SEEDS:
        for given in (images(), torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)):
            out = _drawn(made, given, seed)
            assert torch.isfinite(out).all(), "made something that is not finite"
            if made.role != "adversarial":
                least, most = float(out.min()), float(out.max())
                assert least >= -1e-5, f"made {least:.3g} of an image in [0, 1], below 0"
                assert most <= 1 + 1e-5, f"made {most:.3g} of an image in [0, 1], above 1"


@check("augmentations")
def augmentations_leave_their_input_alone(subject: Subject) -> None:
    """The image that it is given is not changed in place."""
    made = subject.build()
    given = images()
    before = given.clone()
    for seed in SEEDS:
        _drawn(made, given, seed)
    assert torch.equal(given, before), "changed the image that it was given: return another one"


@check("augmentations")
def augmentations_do_nothing_at_p_zero(subject: Subject) -> None:
    """With an option `p` of 0, images come out as they went in."""
    if "p" not in options_of(subject.component):
        raise NotApplicableError
    made = Subject(subject.component, subject.folder, {**subject.options, "p": 0.0}).build()
    if made.role == "framing":
        raise NotApplicableError
    for seed in SEEDS:
        assert torch.equal(_drawn(made, images(), seed), images()), "changes images although p is 0"


@check("augmentations")
def what_a_discriminator_sees_is_differentiable(subject: Subject) -> None:
    """An adversarial augmentation lets gradients through to the images."""
    made = subject.build()
    if made.role != "adversarial":
        raise NotApplicableError
    reached = False
    for seed in SEEDS:
        given = images(batch=2).requires_grad_()
        out = _drawn(made, given, seed)
        if out.requires_grad:
            (gradient,) = torch.autograd.grad(out.sum(), given, allow_unused=True, materialize_grads=True)
            assert torch.isfinite(gradient).all(), "its gradient is not finite"
            reached |= bool(gradient.any())
    assert reached, "no gradient reaches the images: generators would learn nothing through it"


@check("augmentations")
def what_adapts_keeps_its_state_in_buffers(subject: Subject) -> None:
    """What `observe` changes is in the state, so that a resumed run goes on exactly."""
    made = subject.build()
    if not hasattr(made, "observe"):
        raise NotApplicableError
    made = _observing(made)
    again: Any = subject.build()
    again.load_state_dict(made.state_dict())
    for level in (3.0, -3.0):
        for one in (made, again):
            one.observe([torch.full((2, 1, 2, 2), level)])
    state = again.state_dict()
    different = [name for name, tensor in made.state_dict().items() if not torch.equal(tensor, state[name])]
    assert not different, f"after the same observations {different[0]} differs: it keeps more than its buffers"
    same = torch.equal(_drawn(made, images(batch=2), 0), _drawn(again, images(batch=2), 0))
    assert same, "after the same observations it does something else: it keeps more than its buffers"
    hidden = pickle.dumps(_plain(made)) != pickle.dumps(_plain(again))
    assert not hidden, "after the same observations an attribute differs that is in no buffer"


def _observing(augmentation: Any) -> Any:
    for number in range(12):
        augmentation.observe([torch.full((2, 1, 2, 2), 3.0 + number)])
    return augmentation


def _plain(module: torch.nn.Module) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if isinstance(value, (int, float, str, tuple))}


def _drawn(augmentation: torch.nn.Module, given: Tensor, seed: int) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return run_augmentation(augmentation, given)  # type: ignore[arg-type]
