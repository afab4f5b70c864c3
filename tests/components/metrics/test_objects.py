"""Objects that are painted into true pictures are counted as invented; objects that are painted over, as lost."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cgkit.components.metrics.objects import Invented, Lost, find_patches
from cgkit.components.sources.seasons import Seasons
from cgkit.contracts import Objects
from cgkit.data.preparation import Preparation
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.scoring import Measured, Scoring
from cgkit.images.pixels import PixelFormat

COUNT = 24
SIZE = (64, 64)
ORANGE, VIOLET, RED, GREEN = (1.0, 0.5, 0.04), (0.7, 0.12, 0.72), (0.72, 0.08, 0.10), (0.3, 0.5, 0.1)


def truth(side: str, size: tuple[int, int] = SIZE) -> Objects:
    source = Seasons(size, test=COUNT, objects=True)
    measured = MeasuredImages(source, (PixelFormat(3),) * 2, (Preparation(size),) * 2, COUNT)
    images = measured.of("test", side)
    return Objects(images[:COUNT], images.labels(slice(COUNT)), source.objects, side)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def winter() -> Objects:
    return truth("b")


@pytest.fixture(scope="module")
def summer() -> Objects:
    return truth("a")


def with_block(images: Tensor, colour: tuple[float, float, float], y: int, x: int, side: int = 5) -> Tensor:
    """Return images with a square painted into each of them."""
    painted = images.clone()
    painted[:, :, y : y + side, x : x + side] = torch.tensor(colour).view(3, 1, 1)
    return painted


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("size", [(32, 32), (64, 64), (96, 128)])
def test_the_truth_has_nothing_invented_and_nothing_lost(size: tuple[int, int], side: str) -> None:
    objects = truth(side, size)
    assert len(objects.labels.unique()) > 6
    for metric in (Invented(), Lost()):
        assert torch.equal(metric(objects.references, objects), torch.zeros(COUNT))


def test_each_painted_object_is_invented_and_no_other(winter: Objects) -> None:
    sky = with_block(winter.references, ORANGE, 2, 3)
    assert torch.equal(Invented()(sky, winter), torch.ones(COUNT))
    assert torch.equal(Invented()(with_block(sky, RED, 10, 50), winter), torch.full((COUNT,), 2.0))
    assert torch.equal(Lost()(sky, winter), torch.zeros(COUNT))


@settings(max_examples=25, deadline=None)
@given(places=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 7)), max_size=8))
def test_as_many_are_invented_as_are_painted(places: set[tuple[int, int]]) -> None:
    objects = truth_of_one()
    picture = objects.references
    for row, column in places:
        picture = with_block(picture, ORANGE, 1 + 8 * row, 1 + 8 * column)
    assert Invented()(picture, objects).tolist() == [len(places)]


def truth_of_one() -> Objects:
    source = Seasons(SIZE, test=1, objects=True)
    record = source.test()[1][0]
    picture = torch.from_numpy(record.render())[None]  # type: ignore[misc]
    label = torch.from_numpy(record.extras["label"].render())[None] * 255  # type: ignore[misc]
    return Objects(picture, label.round().long(), source.objects, "b")


def test_objects_that_only_the_other_domain_has_are_not_of_the_target_domain(winter: Objects) -> None:
    assert torch.equal(Invented()(with_block(winter.references, VIOLET, 2, 3), winter), torch.zeros(COUNT))


def test_specks_are_no_objects(winter: Objects) -> None:
    speck = with_block(winter.references, ORANGE, 2, 3, side=1)
    assert torch.equal(Invented()(speck, winter), torch.zeros(COUNT))
    assert torch.equal(Invented(area=1e-4)(speck, winter), torch.ones(COUNT))


def test_each_object_that_is_painted_over_is_lost_if_both_domains_have_its_kind(summer: Objects) -> None:
    cabins = (summer.labels > 0) & (summer.labels < 11)
    green = torch.tensor(GREEN).view(1, 3, 1, 1)
    without_cabins = torch.where(cabins, green, summer.references)
    without_tents = torch.where(summer.labels > 10, green, summer.references)
    large = torch.tensor([[(label == number).sum() >= 30 for number in range(1, 5)] for label in summer.labels])
    lost = Lost()(without_cabins, summer)
    assert large.any()
    assert torch.all(lost >= large.sum(1))
    assert torch.all(lost <= torch.tensor([len(label[label > 0].unique()) for label in summer.labels * cabins]))
    assert torch.equal(Lost()(without_tents, summer), torch.zeros(COUNT))


def test_scores_have_an_interval_and_both_baselines() -> None:
    source = Seasons(SIZE, test=COUNT, objects=True)
    images = MeasuredImages(source, (PixelFormat(3),) * 2, (Preparation(SIZE),) * 2, COUNT)
    metrics = [Measured("invented", Invented(), {}), Measured("lost", Lost(), {})]
    # The first half of each batch is translated by painting a snowman into it.
    mark = torch.tensor([1.0, 1, 1, 1, 0, 0, 0, 0]).view(8, 1, 1, 1)

    def translate(sources: Tensor) -> Tensor:
        return torch.where(mark > 0, with_block(sources, ORANGE, 2, 3), sources)

    numbers = Scoring(images, 0, print).scores({"a2b": translate, "b2a": translate}, metrics)
    found = {(number.name, number.direction): number for number in numbers}
    invented = found["invented", "a2b"]
    assert invented.value == 0.5
    assert invented.interval is not None
    assert 0.2 < invented.interval[0] < 0.5 < invented.interval[1] < 0.8
    assert (invented.real, invented.untranslated, invented.better) == (0, 0, "lower")
    assert found["invented", "b2a"].value == found["lost", "a2b"].value == 0


def test_without_known_objects_they_are_not_counted_which_is_said() -> None:
    images = MeasuredImages(Seasons(SIZE, test=2), (PixelFormat(3),) * 2, (Preparation(SIZE),) * 2, 2)
    messages: list[str] = []
    scoring = Scoring(images, 0, messages.append)
    scoring.check([Measured("lost", Lost(), {})])
    assert scoring.scores({"a2b": lambda x: x}, [Measured("lost", Lost(), {})]) == ()
    assert "lost is not computed: the source does not know the objects" in messages[0]
    assert "objects = true" in messages[0]


def test_patches_that_touch_at_a_corner_are_one() -> None:
    mask = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]).bool()[None, None]
    assert find_patches(mask).tolist() == [[[[6, 0, 0, 8], [0, 6, 0, 8], [0, 0, 0, 0], [13, 0, 0, 0]]]]


def test_colours_need_colour_images(winter: Objects) -> None:
    with pytest.raises(ValueError, match="2 channels"):
        Invented()(winter.references[:, :2], winter)
