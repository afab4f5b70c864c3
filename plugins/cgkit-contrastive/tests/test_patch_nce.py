"""The term is the authors' formula, and teaches a generator to keep patches in place."""

from __future__ import annotations

import math

import pytest
import torch
from cgkit_contrastive.patch_nce import PatchNCE, contrast
from torch import Tensor, nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.contracts import Given


def authors_loss(query: list[list[float]], keys: list[list[float]], temperature: float) -> float:
    """Equation 3 of the paper for the patches of one image, written out in plain numbers."""
    total = 0.0
    for number, vector in enumerate(query):
        similarities = [sum(a * b for a, b in zip(vector, key, strict=True)) / temperature for key in keys]
        positive = math.exp(similarities[number])
        negatives = sum(math.exp(value) for other, value in enumerate(similarities) if other != number)
        total -= math.log(positive / (positive + negatives))
    return total / len(query)


def test_the_loss_of_three_patches_by_hand() -> None:
    # Unit vectors at 0, 90 and 180 degrees; the second query has turned by 45 degrees towards the first key.
    keys = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    queries = [[1.0, 0.0], [math.sqrt(0.5), math.sqrt(0.5)], [-1.0, 0.0]]
    # With temperature 1: -ln(e / (e + 1 + 1/e)) twice, and -ln of the second key among (0.7071, 0.7071, -0.7071).
    first = math.log(math.e + 1 + 1 / math.e) - 1
    second = math.log(2 * math.exp(0.5**0.5) + math.exp(-(0.5**0.5))) - 0.5**0.5
    expected = (2 * first + second) / 3
    assert authors_loss(queries, keys, 1.0) == pytest.approx(expected)
    assert contrast(torch.tensor([queries]), torch.tensor([keys]), 1.0).item() == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_the_loss_is_the_authors_for_any_vectors_and_images_do_not_mix(temperature: float) -> None:
    random = torch.Generator().manual_seed(0)
    queries, keys = (
        nn.functional.normalize(torch.randn(2, 7, 5, generator=random, dtype=torch.float64), dim=-1) for _ in "qk"
    )
    by_hand = [authors_loss(q.tolist(), k.tolist(), temperature) for q, k in zip(queries, keys, strict=True)]
    assert contrast(queries, keys, temperature).item() == pytest.approx(sum(by_hand) / 2, rel=1e-12)


@pytest.fixture
def generator() -> ResnetGenerator:
    torch.manual_seed(0)
    return ResnetGenerator(3, 3, width=4, blocks=5)


def prepared(generator: nn.Module, **options: object) -> PatchNCE:
    torch.manual_seed(1)
    term = PatchNCE(**options)  # type: ignore[arg-type]
    term.prepare(generator, torch.zeros(1, 3, 32, 32))
    return term


def images(seed: int) -> Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_features_come_from_five_depths_of_the_published_generator(generator: ResnetGenerator) -> None:
    shapes = [tuple(features.shape) for features in generator.features(images(0))]
    assert shapes == [(2, 3, 32, 32), (2, 8, 16, 16), (2, 16, 8, 8), (2, 16, 8, 8), (2, 16, 8, 8)]
    assert len(prepared(generator).heads) == 5


def test_an_unchanged_image_is_better_than_a_shifted_one(generator: ResnetGenerator) -> None:
    term = prepared(generator, identity=False)
    source = images(0)
    values = []
    for translation in (source, source.roll(5, -1), images(1)):
        torch.manual_seed(3)
        values.append(term(Given(generator, source, source, translation=translation)).item())
    assert values[0] < values[1]
    assert values[0] < values[2]


def test_with_identity_it_is_the_mean_of_both_parts(generator: ResnetGenerator) -> None:
    whole, part = prepared(generator, patches=4096), prepared(generator, patches=4096, identity=False)
    a, b, fake, same = (images(seed) for seed in range(4))
    values = [part(Given(generator, x, x, translation=y)).item() for x, y in ((a, fake), (b, same))]
    assert whole(Given(generator, a, b, fake, identity=same)).item() == pytest.approx(sum(values) / 2, rel=1e-5)


def test_the_keys_are_not_trained(generator: ResnetGenerator) -> None:
    source, translation = images(0).requires_grad_(), images(1).requires_grad_()
    prepared(generator)(Given(generator, source, images(2), translation, identity=images(3))).backward()
    assert source.grad is None
    assert translation.grad is not None


def test_generators_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="method features, which Identity lacks"):
        PatchNCE().prepare(nn.Identity(), torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="equal channels"):
        PatchNCE().prepare(ResnetGenerator(3, 1, width=4, blocks=1), torch.zeros(1, 3, 32, 32))
