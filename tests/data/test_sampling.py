from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cgkit.contracts import ImageRecord
from cgkit.data.randomness import derive_seed, generator, seeded
from cgkit.data.sampling import EpochOrder, StepBatches
from cgkit.errors import PluginError


class Images:
    """A domain of so many images."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> ImageRecord:
        return ImageRecord(str(index))

    def fingerprint(self) -> str:
        return str(self._length)


class Backwards(Images):
    """A domain that has an order of its own: backwards, from another place in each epoch."""

    def order(self, epoch: int, seed: int) -> list[int]:
        return [(epoch + seed - place) % len(self) for place in range(len(self))]


class Forgetful(Images):
    """A domain whose order leaves out an image."""

    def order(self, epoch: int, seed: int) -> list[int]:
        return [0] * len(self)


@given(length=st.integers(1, 50), seed=st.integers(0, 2**53), epoch=st.integers(0, 5))
def test_every_image_is_shown_once_an_epoch(length: int, seed: int, epoch: int) -> None:
    order = EpochOrder(Images(length), seed, "order-a")
    shown = [order[position] for position in range(epoch * length, (epoch + 1) * length)]
    assert sorted(shown) == list(range(length))


def test_epochs_domains_and_seeds_are_shuffled_independently() -> None:
    def shown(seed: int, stream: str, epoch: int) -> list[int]:
        return [EpochOrder(Images(100), seed, stream)[position] for position in range(epoch * 100, (epoch + 1) * 100)]

    orders = [shown(0, "order-a", 0), shown(0, "order-a", 1), shown(0, "order-b", 0), shown(1, "order-a", 0)]
    assert all(one != other for n, one in enumerate(orders) for other in orders[:n])


def test_a_domain_may_have_an_order_of_its_own() -> None:
    order = EpochOrder(Backwards(5), 1, "order-a")
    epochs = [[order[position] for position in range(start, start + 5)] for start in (0, 5)]
    assert [[(one - two) % 5 for one, two in pairwise(epoch)] for epoch in epochs] == [[1] * 4] * 2
    assert (epochs[1][0] - epochs[0][0]) % 5 == 1
    assert order[2] == epochs[0][2], "an earlier position can be asked for again"


def test_an_order_that_leaves_out_an_image_is_the_plugins_fault() -> None:
    with pytest.raises(PluginError, match="not a permutation of its 5 images"):
        EpochOrder(Forgetful(5), 1, "order-a")[0]


@given(first=st.integers(0, 20), more=st.integers(0, 20), batch=st.integers(1, 5), accumulate=st.integers(1, 3))
def test_batches_from_a_step_on_are_those_of_the_whole_run(first: int, more: int, batch: int, accumulate: int) -> None:
    steps = first + more
    whole = list(StepBatches(0, steps, batch, accumulate))
    assert list(StepBatches(first, steps, batch, accumulate)) == whole[first * accumulate :]
    assert [position for one in whole for position in one] == list(range(steps * accumulate * batch))


@given(st.integers(0, 2**53), st.text(max_size=8), st.lists(st.integers(0, 10**9), max_size=3))
def test_a_seed_fits_every_generator(seed: int, stream: str, indices: list[int]) -> None:
    derived = derive_seed(seed, stream, *indices)
    assert 0 <= derived < 2**63
    assert torch.equal(
        torch.rand(2, generator=generator(seed, stream, *indices)),
        torch.rand(2, generator=torch.Generator().manual_seed(derived)),
    )


def test_draws_inside_are_replayed_and_those_outside_go_on() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    first = torch.rand(1)
    with seeded(7):
        inside = torch.rand(3)
    with seeded(7):
        again = torch.rand(3)
    assert torch.equal(inside, again)
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)
