"""The discriminator: PatchGAN's body, and a head that sees how much images differ from those before them."""

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


def expected(network, company):
    """Compute the head on the first image's features, written anew from ProGAN's description, among a company."""
    spread = company.std(0, correction=0).square().add(1e-6).sqrt().mean()
    first = company[:1]
    first = torch.cat((first, spread.expand(1, 1, *first.shape[2:])), 1)
    inner, _, outer = network.head
    hidden = F.leaky_relu(F.conv2d(first, inner.weight, inner.bias, padding=1), 0.01)
    return F.conv2d(hidden, outer.weight, outer.bias, padding=1)


def test_its_defaults_have_the_parameters_of_the_published_configuration():
    with torch.device("meta"):
        network = BatchHeadPatchDiscriminator(3)
    body = 3 * 64 * 16 + 64 + (64 * 128 + 128 * 256 + 256 * 512) * 16  # biases before a norm have no effect
    head = 513 * 512 * 9 + 512 + 512 * 9 + 1
    assert sum(parameter.numel() for parameter in network.parameters()) == body + head == 5_124_673
    assert round(5_124_673 / 1e6) == 5  # "about 5M", as its authors say


def test_images_are_judged_among_those_of_their_kind_that_were_learned_from():
    network = small(spectral_norm=False).double()
    reals, fakes, shown = (images(2, seed).double() for seed in (1, 2, 3))
    network(reals, real=True, learning=True)
    network(fakes, real=False, learning=True)
    with torch.no_grad():
        present, of_reals, of_fakes = (network.body(batch) for batch in (shown[:1], reals, fakes))
        for kind, company in ((True, of_reals), (False, of_fakes), (None, (of_reals + of_fakes) / 2)):
            made = network(shown[:1], real=kind)
            assert torch.allclose(made, expected(network, torch.cat((present, company))), atol=1e-12)


def test_the_kinds_have_memories_of_their_own():
    network = small()
    network(images(2), real=True, learning=True)
    assert [len(network.memories[kind]) for kind in ("real", "fake")] == [2, 0]
    network(images(1), real=False, learning=True)
    assert [len(network.memories[kind]) for kind in ("real", "fake")] == [2, 1]
    for _ in range(4):
        network(images(2), real=False, learning=True)
    assert [len(network.memories[kind]) for kind in ("real", "fake")] == [2, 3]


@pytest.mark.parametrize("arguments", [{}, {"real": True}, {"real": False}, {"real": True, "learning": False}])
def test_nothing_is_remembered_without_learning(arguments):
    network = small().eval()
    network(images(2, 1), real=True, learning=True)
    network(images(2, 2), real=False, learning=True)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for _ in range(2):
        network(images(2, 3), **arguments)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_what_is_remembered_changes_the_logits_and_only_the_present_images_have_some():
    network = small().eval()
    shown = images(2)
    alone = network(shown, real=True)
    network(images(2, 5), real=True, learning=True)
    among = network(shown, real=True)
    assert alone.shape == among.shape == (2, 1, 3, 5)
    assert (alone - among).abs().max() > 1e-6
    assert torch.equal(network(shown, real=False), alone)


def test_without_memory_images_are_judged_among_their_batch_alone():
    network = small(memory=0).eval()
    alone = network(images(2), real=True)
    network(images(2, 5), real=True, learning=True)
    assert torch.equal(network(images(2), real=True), alone)


def test_images_of_another_size_than_the_trained_one_are_judged_too():
    network = small()
    for size in ((12, 12), (16, 24), (40, 20)):
        made = network(images(1, size=size), real=True, learning=True)
        assert made.shape == (1, 1, size[0] // 4 - 1, size[1] // 4 - 1)
        assert made.isfinite().all()
    assert network.memories["real"].features.shape == (3, 16, 3, 5)
    assert len(network.memories["real"]) == 3


def test_it_recommends_the_trained_size_and_remembers_features_of_just_that():
    for size in ((256, 256), (70, 90), (24, 31)):
        network = BatchHeadPatchDiscriminator(3, width=2, **BatchHeadPatchDiscriminator.recommended(size))
        features = network.body(torch.zeros(1, 3, *size))
        assert network.memories["fake"].features.shape == (3, *features.shape[1:])


def test_images_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="at least 12"):
        small()(torch.zeros(1, 3, 12, 8))


def test_its_memories_are_saved_and_loaded_strictly():
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
def test_single_precision_gives_the_gradients_of_double_in_every_layout(batch, layout):
    network = small(spectral_norm=False)
    network(images(2, 1), real=True, learning=True)
    network(images(1, 2), real=False, learning=True)
    shown = images(batch, 3)
    wanted = gradients(network.double(), shown.double())
    got = gradients(network.float().to(memory_format=layout), shown.to(memory_format=layout))
    for gradient, one in zip(got, wanted, strict=True):
        assert (gradient - one).abs().max() <= 1e-4 * one.abs().max() + 1e-7


def gradients(network, shown):
    shown = shown.clone(memory_format=torch.preserve_format).requires_grad_()
    parameters = list(network.parameters())
    return torch.autograd.grad(network(shown, real=True).square().sum(), [shown, *parameters])


def test_the_gradient_is_finite_where_there_is_but_one_image():
    network = small()
    for gradient in gradients(network, images(1)):
        assert gradient.isfinite().all()


def test_under_autocast_the_memory_stays_in_single_precision():
    network = small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for _ in range(2):
            made = network(images(2), real=True, learning=True)
    assert made.isfinite().all()
    assert network.memories["real"].features.dtype == torch.float32
