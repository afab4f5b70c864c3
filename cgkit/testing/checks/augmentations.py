"""Checks of augmentations."""

from __future__ import annotations

import pickle
from typing import Any

import torch
from torch import Tensor

from cgkit.data.randomness import seeded
from cgkit.options import options_of
from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject
from cgkit.testing.usage import run_augmentation

ROLES = ("data", "adversarial", "framing")
SEEDS = range(8)
"""The seeds to test: several, because an augmentation may leave an image unchanged at random."""


def images(channels: int = 3, size: tuple[int, int] = (32, 32), batch: int = 1) -> Tensor:
    """Return noise in [0, 1] with a black and a white corner."""
    noise = torch.rand(batch, channels, *size, generator=torch.Generator().manual_seed(0))
    noise[..., :4, :4] = 0
    noise[..., -4:, -4:] = 1
    return noise


@check("augmentations")
def augmentations_have_a_role(subject: Subject) -> None:
    """An augmentation's `role` is one of "data", "adversarial" and "framing"."""
    role = getattr(subject.build(), "role", None)
    assert role in ROLES, f"its role is {role!r}, not one of {', '.join(ROLES)}"


@check("augmentations")
def augmentations_keep_shape_and_type(subject: Subject) -> None:
    """Shape and dtype are preserved for one and for three channels; a framing returns images of the requested size."""
    augmentation = subject.build()
    batch = 2 if augmentation.role == "adversarial" else 1
    for channels, size in ((3, (32, 32)), (1, (32, 32)), (3, (32, 48))):
        for seed in SEEDS:
            given = images(channels, size, batch)
            expected = (batch, channels, *((24, 24) if augmentation.role == "framing" else size))
            output = _augment(augmentation, given, seed)
            assert isinstance(output, Tensor), f"returns a {type(output).__name__} instead of a tensor"
            assert output.shape == expected, f"maps {tuple(given.shape)} to {tuple(output.shape)}; expected {expected}"
            assert output.dtype == given.dtype, f"maps {given.dtype} to {output.dtype}"


@check("augmentations")
def augmentations_stay_in_range(subject: Subject) -> None:
    """Training images stay in [0, 1]; images for a discriminator stay finite."""
    augmentation = subject.build()
    for seed in SEEDS:
        for given in (images(), torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)):
            output = _augment(augmentation, given, seed)
            assert torch.isfinite(output).all(), "its output is not finite"
            if augmentation.role != "adversarial":
                lowest, highest = float(output.min()), float(output.max())
                assert lowest >= -1e-5, f"its output for an image in [0, 1] reaches {lowest:.3g}, below 0"
                assert highest <= 1 + 1e-5, f"its output for an image in [0, 1] reaches {highest:.3g}, above 1"


@check("augmentations")
def augmentations_leave_their_input_alone(subject: Subject) -> None:
    """The input image is not changed in place."""
    augmentation = subject.build()
    given = images()
    before = given.clone()
    for seed in SEEDS:
        _augment(augmentation, given, seed)
    assert torch.equal(given, before), "changes its input in place: return a new image"


@check("augmentations")
def augmentations_do_nothing_at_p_zero(subject: Subject) -> None:
    """If an augmentation has an option `p`, it returns images unchanged when `p` is 0."""
    if "p" not in options_of(subject.component):
        raise NotApplicableError
    augmentation = Subject(subject.component, subject.folder, {**subject.options, "p": 0.0}).build()
    if augmentation.role == "framing":
        raise NotApplicableError
    for seed in SEEDS:
        assert torch.equal(_augment(augmentation, images(), seed), images()), "changes images although p is 0"


@check("augmentations")
def framings_scale_as_they_say(subject: Subject) -> None:
    """`scaled_size` returns a size that contains the window, and to which the framing really scales, on average."""
    framing: Any = subject.build()
    if framing.role != "framing" or not hasattr(framing, "scaled_size"):
        raise NotApplicableError
    for size in ((96, 96), (96, 128)):
        rows, columns = framing.scaled_size(size, (24, 32))
        assert isinstance(rows, int), f"scaled_size returns {rows!r} as the height, which is not an integer"
        assert isinstance(columns, int), f"scaled_size returns {columns!r} as the width, which is not an integer"
        assert rows >= 24, f"scaled_size returns a height of {rows} for a window of height 24"
        assert columns >= 32, f"scaled_size returns a width of {columns} for a window of width 32"
        for axis, side in ((-2, rows), (-1, columns)):
            ramp = torch.linspace(0, 1, size[axis]).unsqueeze(-1 if axis == -2 else 0).expand(1, 1, *size)
            framed = [_augment(framing, ramp, seed, (24, 32)) for seed in SEEDS]
            slope = torch.stack([image.diff(dim=axis).median() for image in framed]).abs().mean()
            scaled = 1 / max(float(slope), 1e-6)
            assert 0.75 < side / scaled < 1.33, (
                f"scaled_size returns a {'height' if axis == -2 else 'width'} of {side} for {size},"
                f" but the framing scales to about {scaled:.0f}"
            )


@check("augmentations")
def what_a_discriminator_sees_is_differentiable(subject: Subject) -> None:
    """An adversarial augmentation passes gradients through to the images."""
    augmentation = subject.build()
    if augmentation.role != "adversarial":
        raise NotApplicableError
    reached = False
    for seed in SEEDS:
        given = images(batch=2).requires_grad_()
        output = _augment(augmentation, given, seed)
        if output.requires_grad:
            (gradient,) = torch.autograd.grad(output.sum(), given, allow_unused=True, materialize_grads=True)
            assert torch.isfinite(gradient).all(), "its gradient is not finite"
            reached |= bool(gradient.any())
    assert reached, "no gradient passes through it to the images, so generators would not learn"


@check("augmentations")
def what_draws_beforehand_draws_the_same(subject: Subject) -> None:
    """With the numbers that `draw` returns, an augmentation does what it does without, and draws no others."""
    augmentation: Any = subject.build()
    if not hasattr(augmentation, "draw"):
        raise NotApplicableError
    given = images(batch=2)
    for seed in SEEDS:
        expected = _augment(augmentation, given, seed)
        with seeded(seed):
            draws = augmentation.draw(len(given))
            assert isinstance(draws, Tensor), f"draw returns a {type(draws).__name__} instead of a tensor"
            assert draws.device.type == "cpu", f"draw returns numbers on {draws.device} instead of the CPU"
            state = torch.get_rng_state()
            output = augmentation(given, draws)
            assert torch.equal(torch.get_rng_state(), state), "draws more numbers than those it is given"
        assert torch.equal(output, expected), "does something else with the numbers of draw than without"


@check("augmentations")
def what_adapts_keeps_its_state_in_buffers(subject: Subject) -> None:
    """Everything that `observe` changes is in the state dict, so that resumed runs continue exactly as before."""
    original: Any = subject.build()
    if not hasattr(original, "observe"):
        raise NotApplicableError
    for number in range(12):
        _observe(original, 3.0 + number)
    restored: Any = subject.build()
    restored.load_state_dict(original.state_dict())
    for logit in (3.0, -3.0):
        for augmentation in (original, restored):
            _observe(augmentation, logit)
    state = restored.state_dict()
    different = [name for name, tensor in original.state_dict().items() if not torch.equal(tensor, state[name])]
    after = "a restored copy with the same further observations"
    assert not different, f"{after} differs in {different[0]}: it has state outside its buffers"
    same = torch.equal(_augment(original, images(batch=2), 0), _augment(restored, images(batch=2), 0))
    assert same, f"{after} has a different output: it has state outside its buffers"
    hidden = pickle.dumps(_plain_attributes(original)) != pickle.dumps(_plain_attributes(restored))
    assert not hidden, f"{after} differs in an attribute that is not a buffer"


def _observe(augmentation: Any, logit: float) -> None:
    augmentation.observe([torch.full((2, 1, 2, 2), logit)])


def _plain_attributes(module: torch.nn.Module) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if isinstance(value, (int, float, str, tuple))}


def _augment(augmentation: Any, given: Tensor, seed: int, size: tuple[int, int] = (24, 24)) -> Tensor:
    with seeded(seed):
        return run_augmentation(augmentation, given, size)
