"""What is asked of what networks return."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cgkit.testing.check import NETWORKS, check
from cgkit.testing.subject import Subject, functional, relative_difference, scales_of

SLACK = 1e-3
"""How far beyond [-1, 1] an output may lie, for rounding."""

BF16 = 0.1
"""How much rounding to bf16 may change an output, as a share of its length; what is built in loses up to 0.016."""


def extremes(subject: Subject, channels: int = 3) -> Iterator[tuple[str, Tensor]]:
    """Yield images that networks meet rarely, and what they are called."""
    noise = subject.images(2, channels)
    yield "grey images", torch.zeros_like(noise)
    yield "white images", torch.ones_like(noise)
    yield "black images", -torch.ones_like(noise)
    yield "constant images", torch.full_like(noise, 0.3)
    yield "noise", noise


@check("generators")
def keeps_height_and_width(subject: Subject) -> None:
    """Images of any multiple of its stride come out in their own height and width, with the channels asked for."""
    height, width = subject.size
    for given, made in ((3, 3), (1, 3), (3, 2), (1, 1)):
        network = subject.network(given, made)
        stride = int(getattr(network, "stride", 1))
        for batch, size in ((1, (height, width)), (2, (height, width + stride)), (1, (height + stride, 2 * width))):
            with torch.no_grad():
                out = network(torch.zeros(batch, given, *size))
            assert isinstance(out, Tensor), f"returns a {type(out).__name__} in place of a tensor"
            assert out.shape == (batch, made, *size), (
                f"turned {(batch, given, *size)} into {tuple(out.shape)}, where {(batch, made, *size)} is expected"
            )


@check("generators")
def stays_in_range(subject: Subject) -> None:
    """Translations are in [-1, 1] and finite, in training and in evaluation mode, whatever the image."""
    network = subject.network()
    for training in (False, True):
        network.train(training)
        for what, images in extremes(subject):
            with torch.no_grad():
                out = network(images)
            assert torch.isfinite(out).all(), f"made of {what} something that is not finite"
            least, most = float(out.min()), float(out.max())
            assert least >= -1 - SLACK, f"made {least:.3g} of {what}: end with a tanh, say"
            assert most <= 1 + SLACK, f"made {most:.3g} of {what}: end with a tanh, say"


@check("discriminators")
def returns_one_map_of_logits_a_scale(subject: Subject) -> None:
    """Logits are (N, 1, h, w), or a list of such, for images of any channels, in a batch of any size."""
    height, width = subject.size
    for channels, batch, size in ((3, 1, (height, width)), (1, 2, (height, width)), (3, 2, (height, 2 * width))):
        network = subject.network(channels)
        with torch.no_grad():
            scales = scales_of(network(torch.zeros(batch, channels, *size)))
        assert scales, "returns an empty list"
        for logits in scales:
            assert isinstance(logits, Tensor), f"returns a {type(logits).__name__} in place of a tensor"
            right = logits.ndim == 4 and logits.shape[:2] == (batch, 1)
            assert right, f"returns logits of shape {tuple(logits.shape)}, where ({batch}, 1, h, w) is expected"


@check("discriminators")
def logits_are_finite(subject: Subject) -> None:
    """Logits are finite, in training and in evaluation mode, whatever the image."""
    network = subject.network()
    for training in (False, True):
        network.train(training)
        for what, images in extremes(subject):
            with torch.no_grad():
                scales = scales_of(network(images))
            finite = all(bool(torch.isfinite(logits).all()) for logits in scales)
            assert finite, f"made of {what} something that is not finite"


@check("discriminators")
def logits_have_no_bounds(subject: Subject) -> None:
    """Nothing squeezes the logits: with larger weights they leave [-1, 1]; sigmoids are the losses' affair."""
    network = subject.network()
    last = [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))][-1:]
    for module in last:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(torch.randn_like(parameter) * 100)
    with torch.no_grad():
        largest = max(float(logits.abs().max()) for logits in scales_of(network(subject.images(2))))
    assert largest > 1 or not last, "squeezes its logits into [-1, 1]: leave out the sigmoid or tanh at its end"


@check(*NETWORKS)
def images_of_a_batch_do_not_mix(subject: Subject) -> None:
    """What is made of one image does not depend on the others, unless it declares `mixes_samples = True`."""
    network = subject.network()
    if any(getattr(module, "mixes_samples", False) for module in network.modules()):
        return
    images = subject.images(2, dtype=torch.float64)
    network = network.double()
    with torch.no_grad():
        together = scales_of(network(images))
        alone = [scales_of(network(image[None])) for image in images]
    for number, scale in enumerate(together):
        separately = torch.cat([scales[number] for scales in alone])
        difference = float((scale - separately).abs().max())
        assert difference < 1e-6, f"one image changes another by {difference:.2g}: declare mixes_samples = True"


@check(*NETWORKS)
def bf16_stays_finite(subject: Subject) -> None:
    """Under bf16 autocast what it makes, and its gradients, are finite; what it makes is near to float32's."""
    network, images = subject.network(), subject.images(2)
    with torch.no_grad():
        exact = scales_of(network(images))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = scales_of(network(images))
    difference = max(relative_difference(one, other) for one, other in zip(rounded, exact, strict=True))
    # What is not finite is told below, with what it was made of.
    assert not difference > BF16, f"under bf16 autocast it makes something else: {difference:.2g} of its length differs"
    network.train()
    for what, images in extremes(subject):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            with torch.autocast("cpu", torch.bfloat16):
                made = network(images)
        finite = all(bool(torch.isfinite(scale).all()) for scale in scales_of(made))
        assert finite, f"under bf16 autocast, made of {what} something that is not finite"
    network.zero_grad()
    torch.autograd.backward(functional([scale.float() for scale in scales_of(made)]))
    bad = [name for name, one in network.named_parameters() if one.grad is not None and not one.grad.isfinite().all()]
    assert not bad, f"under bf16 autocast, the gradient of {bad[0]} is not finite"
