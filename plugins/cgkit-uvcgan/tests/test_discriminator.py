"""The discriminator: a PatchGAN body, and a head with a batch statistic over a memory of earlier images."""

from __future__ import annotations

import pytest
import torch
from cgkit_uvcgan.discriminator import BatchHeadPatchDiscriminator
from safetensors.torch import load, save
from torch.nn import functional as F

from cgkit.checkpoints import load_strictly

SMALL = {"width": 4, "layers": 2, "memory": 3, "size": (16, 24)}


def small(**options):
    return BatchHeadPatchDiscriminator(3, **{**SMALL, **options})


def images(count=1, seed=0, size=(16, 24)):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def expected(network, batch):
    """Compute the head's output for the first image of a batch of features, following ProGAN's description."""
    deviation = batch.std(0, correction=0).square().add(1e-6).sqrt().mean()
    first = batch[:1]
    first = torch.cat((first, deviation.expand(1, 1, *first.shape[2:])), 1)
    inner, _, outer = network.head
    hidden = F.leaky_relu(F.conv2d(first, inner.weight, inner.bias, padding=1), 0.01)
    return F.conv2d(hidden, outer.weight, outer.bias, padding=1)


def test_the_defaults_have_the_published_number_of_parameters():
    with torch.device("meta"):
        network = BatchHeadPatchDiscriminator(3)
    body = 3 * 64 * 16 + 64 + (64 * 128 + 128 * 256 + 256 * 512) * 16  # biases before a norm are left out
    head = 513 * 512 * 9 + 512 + 512 * 9 + 1
    assert sum(parameter.numel() for parameter in network.parameters()) == body + head == 5_124_673
    assert round(5_124_673 / 1e6) == 5  # "about 5M" according to the authors


def test_the_batch_is_extended_by_training_images_of_the_same_kind():
    network = small(spectral_norm=False).double()
    reals, fakes, shown = (images(2, seed).double() for seed in (1, 2, 3))
    network(reals, real=True, learning=True)
    network(fakes, real=False, learning=True)
    with torch.no_grad():
        current, real, fake = (network.body(batch) for batch in (shown[:1], reals, fakes))
        for kind, stored in ((True, real), (False, fake), (None, (real + fake) / 2)):
            logits = network(shown[:1], real=kind)
            assert torch.allclose(logits, expected(network, torch.cat((current, stored))), atol=1e-12)


def test_each_kind_has_its_own_memory():
    network = small()
    network(images(2), real=True, learning=True)
    assert [len(network.memories[kind]) for kind in ("real", "fake")] == [2, 0]
    network(images(1), real=False, learning=True)
    assert [len(network.memories[kind]) for kind in ("real", "fake")] == [2, 1]
    for _ in range(4):
        network(images(2), real=False, learning=True)
    assert [len(network.memories[kind]) for kind in ("real", "fake")] == [2, 3]


@pytest.mark.parametrize("arguments", [{}, {"real": True}, {"real": False}, {"real": True, "learning": False}])
def test_features_are_only_stored_in_training_steps(arguments):
    network = small().eval()
    network(images(2, 1), real=True, learning=True)
    network(images(2, 2), real=False, learning=True)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for _ in range(2):
        network(images(2, 3), **arguments)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_stored_features_change_the_logits_of_the_batch_only():
    network = small().eval()
    shown = images(2)
    before = network(shown, real=True)
    network(images(2, 5), real=True, learning=True)
    after = network(shown, real=True)
    assert before.shape == after.shape == (2, 1, 3, 5)
    assert (before - after).abs().max() > 1e-6
    assert torch.equal(network(shown, real=False), before)


def test_without_memory_the_statistic_uses_the_batch_alone():
    network = small(memory=0).eval()
    before = network(images(2), real=True)
    network(images(2, 5), real=True, learning=True)
    assert torch.equal(network(images(2), real=True), before)


def test_images_of_other_sizes_are_supported():
    network = small()
    for size in ((12, 12), (16, 24), (40, 20)):
        logits = network(images(1, size=size), real=True, learning=True)
        assert logits.shape == (1, 1, size[0] // 4 - 1, size[1] // 4 - 1)
        assert logits.isfinite().all()
    assert network.memories["real"].features.shape == (3, 16, 3, 5)
    assert len(network.memories["real"]) == 3


def test_the_recommended_size_gives_memories_of_the_size_of_the_features():
    for size in ((256, 256), (70, 90), (24, 31)):
        network = BatchHeadPatchDiscriminator(3, width=2, **BatchHeadPatchDiscriminator.recommended(size))
        features = network.body(torch.zeros(1, 3, *size))
        assert network.memories["fake"].features.shape == (3, *features.shape[1:])


def test_images_that_are_too_small_are_rejected():
    with pytest.raises(ValueError, match="at least 12"):
        small()(torch.zeros(1, 3, 12, 8))


def test_the_memories_are_saved_and_restored():
    network = small()
    for seed in range(3):
        network(images(1, seed), real=True, learning=True)
    network(images(1, 9), real=False, learning=True)
    other = small()
    load_strictly(other, load(save(network.state_dict())), what="model")
    assert [len(other.memories[kind]) for kind in ("real", "fake")] == [3, 1]
    for kind in (True, False, None):
        network.eval()
        assert torch.equal(other.eval()(images(1, 4), real=kind), network(images(1, 4), real=kind))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_in_float32_match_those_in_float64_in_every_layout(batch, layout):
    network = small(spectral_norm=False)
    network(images(2, 1), real=True, learning=True)
    network(images(1, 2), real=False, learning=True)
    shown = images(batch, 3)
    exact = gradients(network.double(), shown.double())
    computed = gradients(network.float().to(memory_format=layout), shown.to(memory_format=layout))
    for gradient, reference in zip(computed, exact, strict=True):
        assert (gradient - reference).abs().max() <= 1e-4 * reference.abs().max() + 1e-7


def gradients(network, shown):
    shown = shown.clone(memory_format=torch.preserve_format).requires_grad_()
    parameters = list(network.parameters())
    return torch.autograd.grad(network(shown, real=True).square().sum(), [shown, *parameters])


def test_the_gradient_is_finite_for_a_single_image():
    network = small()
    for gradient in gradients(network, images(1)):
        assert gradient.isfinite().all()


def test_under_autocast_the_memory_stays_in_float32():
    network = small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for _ in range(2):
            logits = network(images(2), real=True, learning=True)
    assert logits.isfinite().all()
    assert network.memories["real"].features.dtype == torch.float32
