from __future__ import annotations

import pytest
import torch
from torch import nn

from cgkit.abilities import mixes_samples
from cgkit.components.discriminators.patch import PatchDiscriminator
from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.engine.cyclegan import CycleGAN


def cyclegan(norm: str = "instance", channels: tuple[int, int] = (3, 3)) -> CycleGAN:
    torch.manual_seed(0)
    a, b = channels
    options = {"width": 4, "blocks": 1, "norm": norm}
    return CycleGAN(
        ResnetGenerator(a, b, **options),
        ResnetGenerator(b, a, **options),
        PatchDiscriminator(a, width=4, layers=1),
        PatchDiscriminator(b, width=4, layers=1),
    ).double()


def images(seed: int, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, channels, 16, 16, generator=generator, dtype=torch.float64) * 2 - 1


def test_a_forward_pass_generates_the_images_of_the_paper() -> None:
    model = cyclegan()
    a2b, b2a = model.generators["a2b"], model.generators["b2a"]
    real_a, real_b = images(1), images(2)
    cycle = model(real_a, real_b)
    expected = {
        "fake_b": a2b(real_a),
        "fake_a": b2a(real_b),
        "cycled_a": b2a(a2b(real_a)),
        "cycled_b": a2b(b2a(real_b)),
        "identity_a": b2a(real_a),
        "identity_b": a2b(real_b),
    }
    for name, image in expected.items():
        torch.testing.assert_close(getattr(cycle, name), image, rtol=1e-12, atol=1e-12)


def test_the_domains_may_have_different_channels() -> None:
    model = cyclegan(channels=(1, 4))
    passes = type(model(images(1, 1), images(1, 4), _no_identity()))
    cycle = model(images(1, 1), images(2, 4), _no_identity())
    assert isinstance(cycle, passes)
    assert cycle.fake_b is not None
    assert cycle.fake_b.shape[1] == 4
    assert cycle.cycled_a is not None
    assert cycle.cycled_a.shape[1] == 1


def _no_identity() -> object:
    from cgkit.engine.cyclegan import Passes

    return Passes(identity_a=False, identity_b=False)


@pytest.mark.parametrize(("norm", "mixes"), [("instance", False), ("none", False), ("batch", True)])
def test_batches_are_fused_unless_the_network_mixes_samples(norm: str, mixes: bool) -> None:
    model = cyclegan(norm)
    generator = model.generators["a2b"]
    assert mixes_samples(generator) is mixes
    calls: list[int] = []
    generator.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    cycle = model(images(1), images(2))
    assert calls == ([2, 2, 2] if mixes else [4, 2])
    assert cycle.identity_b is not None
    if mixes:
        torch.testing.assert_close(cycle.identity_b, generator(images(2)))


def test_batch_norm_in_evaluation_mode_mixes_no_samples() -> None:
    assert not mixes_samples(cyclegan("batch").eval())


def test_a_network_may_declare_that_it_mixes_samples() -> None:
    class Mixing(nn.Identity):
        mixes_samples = True

    assert mixes_samples(nn.Sequential(Mixing()))
