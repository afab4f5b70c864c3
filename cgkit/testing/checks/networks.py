"""Checks of the outputs of networks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cgkit.abilities import stride_of
from cgkit.data.randomness import seeded
from cgkit.testing.check import NETWORKS, check
from cgkit.testing.subject import Subject, functional, relative_difference, scales_of

SLACK = 1e-3
"""How far an output may exceed [-1, 1] due to rounding."""

BF16 = 0.1
"""The largest relative change of an output due to bf16; for the built-in networks, it is at most 0.016."""


def extremes(subject: Subject) -> Iterator[tuple[str, Tensor]]:
    """Yield named batches: noise, and images that networks rarely see in training."""
    noise = subject.images(2)
    yield "grey images", torch.zeros_like(noise)
    yield "white images", torch.ones_like(noise)
    yield "black images", -torch.ones_like(noise)
    yield "constant images", torch.full_like(noise, 0.3)
    yield "noise", noise


def outputs_for_extremes(subject: Subject) -> Iterator[tuple[str, list[Tensor]]]:
    """Yield the named outputs for the images of `extremes`, first in evaluation mode, then in training mode."""
    network = subject.network()
    for training in (False, True):
        network.train(training)
        for name, images in extremes(subject):
            with torch.no_grad():
                scales = scales_of(network(images))
            yield name, scales


@check("generators")
def keeps_height_and_width(subject: Subject) -> None:
    """Translations have the height and width of the images (multiples of the stride), and the requested channels."""
    height, width = subject.size
    for in_channels, out_channels in ((3, 3), (1, 3), (3, 2), (1, 1)):
        network = subject.network(in_channels, out_channels)
        stride = stride_of(network)
        for batch, size in ((1, (height, width)), (2, (height, width + stride)), (1, (height + stride, 2 * width))):
            given, expected = (batch, in_channels, *size), (batch, out_channels, *size)
            with torch.no_grad():
                output = network(torch.zeros(given))
            assert isinstance(output, Tensor), f"returns a {type(output).__name__} instead of a tensor"
            assert output.shape == expected, f"maps {given} to {tuple(output.shape)}; expected {expected}"


@check("generators")
def stays_in_range(subject: Subject) -> None:
    """Translations of any image are finite and in [-1, 1], in training and in evaluation mode."""
    for name, (output,) in outputs_for_extremes(subject):
        assert torch.isfinite(output).all(), f"its output for {name} is not finite"
        lowest, highest = float(output.min()), float(output.max())
        assert lowest >= -1 - SLACK, f"its output for {name} reaches {lowest:.3g}: end with a tanh, for example"
        assert highest <= 1 + SLACK, f"its output for {name} reaches {highest:.3g}: end with a tanh, for example"


@check("discriminators")
def returns_one_map_of_logits_a_scale(subject: Subject) -> None:
    """Logits are (N, 1, h, w), or a list of such tensors, for any number of channels and any batch size."""
    height, width = subject.size
    for channels, batch, size in ((3, 1, (height, width)), (1, 2, (height, width)), (3, 2, (height, 2 * width))):
        network = subject.network(channels)
        with torch.no_grad():
            scales = scales_of(network(torch.zeros(batch, channels, *size)))
        assert scales, "returns an empty list"
        for logits in scales:
            assert isinstance(logits, Tensor), f"returns a {type(logits).__name__} instead of a tensor"
            fits = logits.ndim == 4 and logits.shape[:2] == (batch, 1)
            assert fits, f"returns logits of shape {tuple(logits.shape)}; expected ({batch}, 1, h, w)"


@check("discriminators")
def logits_are_finite(subject: Subject) -> None:
    """Logits of any image are finite, in training and in evaluation mode."""
    for name, scales in outputs_for_extremes(subject):
        finite = all(bool(torch.isfinite(logits).all()) for logits in scales)
        assert finite, f"its logits for {name} are not finite"


@check("discriminators")
def logits_have_no_bounds(subject: Subject) -> None:
    """Logits exceed [-1, 1] if the last layer's weights are large: a sigmoid belongs in the loss."""
    network = subject.network()
    last = [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))][-1:]
    for module in last:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(torch.randn_like(parameter) * 100)
    with torch.no_grad():
        largest = max(float(logits.abs().max()) for logits in scales_of(network(subject.images(2))))
    assert largest > 1 or not last, "limits its logits to [-1, 1]: remove the final sigmoid or tanh"


@check(*NETWORKS)
def images_of_a_batch_do_not_mix(subject: Subject) -> None:
    """The output for an image is independent of the rest of the batch, unless the network sets `mixes_samples`."""
    network = subject.network()
    if any(getattr(module, "mixes_samples", False) for module in network.modules()):
        return
    images = subject.images(2, dtype=torch.float64)
    network = network.double()
    with torch.no_grad():
        batched = scales_of(network(images))
        alone = [scales_of(network(image[None])) for image in images]
    for number, scale in enumerate(batched):
        expected = torch.cat([scales[number] for scales in alone])
        difference = float((scale - expected).abs().max())
        assert difference < 1e-6, (
            f"an image changes the output for another by {difference:.2g}: declare mixes_samples = True"
        )


@check(*NETWORKS)
def bf16_stays_finite(subject: Subject) -> None:
    """Under bf16 autocast, outputs and gradients are finite, and outputs are close to those of float32."""
    network, images = subject.network(), subject.images(2)
    with torch.no_grad():
        exact = scales_of(network(images))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = scales_of(network(images))
    difference = max(relative_difference(actual, expected) for actual, expected in zip(rounded, exact, strict=True))
    # A difference of NaN passes here, because the loop below reports NaN together with the input that causes it.
    assert not difference > BF16, f"its output under bf16 autocast differs from float32 by {difference:.2g} (relative)"
    network.train()
    for name, images in extremes(subject):
        with seeded(0), torch.autocast("cpu", torch.bfloat16):
            output = network(images)
        finite = all(bool(torch.isfinite(scale).all()) for scale in scales_of(output))
        assert finite, f"its output under bf16 autocast is not finite for {name}"
    network.zero_grad()
    torch.autograd.backward(functional([scale.float() for scale in scales_of(output)]))
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    bad = [name for name, gradient in gradients.items() if gradient is not None and not gradient.isfinite().all()]
    assert not bad, f"the gradient of {bad[0]} under bf16 autocast is not finite"
