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
    """A domain with a given number of images."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> ImageRecord:
        return ImageRecord(str(index))

    def fingerprint(self) -> str:
        return str(self._length)


class Backwards(Images):
    """A domain with its own order: backwards, starting elsewhere in each epoch."""

    def order(self, epoch: int, seed: int) -> list[int]:
        return [(epoch + seed - index) % len(self) for index in range(len(self))]


class Forgetful(Images):
    """A domain whose order omits images."""

    def order(self, epoch: int, seed: int) -> list[int]:
        return [0] * len(self)


@given(length=st.integers(1, 50), seed=st.integers(0, 2**53), epoch=st.integers(0, 5))
def test_every_image_is_shown_once_per_epoch(length: int, seed: int, epoch: int) -> None:
    order = EpochOrder(Images(length), seed, "order-a")
    shown = [order[position] for position in range(epoch * length, (epoch + 1) * length)]
    assert sorted(shown) == list(range(length))


def test_epochs_domains_and_seeds_are_shuffled_independently() -> None:
    def shown(seed: int, stream: str, epoch: int) -> list[int]:
        return [EpochOrder(Images(100), seed, stream)[position] for position in range(epoch * 100, (epoch + 1) * 100)]

    orders = [shown(0, "order-a", 0), shown(0, "order-a", 1), shown(0, "order-b", 0), shown(1, "order-a", 0)]
    assert all(order != earlier for n, order in enumerate(orders) for earlier in orders[:n])


def test_a_domain_can_define_its_own_order() -> None:
    order = EpochOrder(Backwards(5), 1, "order-a")
    epochs = [[order[position] for position in range(start, start + 5)] for start in (0, 5)]
    assert [[(index - following) % 5 for index, following in pairwise(epoch)] for epoch in epochs] == [[1] * 4] * 2
    assert (epochs[1][0] - epochs[0][0]) % 5 == 1
    assert order[2] == epochs[0][2], "an earlier position can be requested again"


def test_an_order_that_omits_an_image_is_a_plugin_error() -> None:
    with pytest.raises(PluginError, match="not a permutation of its 5 images"):
        EpochOrder(Forgetful(5), 1, "order-a")[0]


@given(first=st.integers(0, 20), more=st.integers(0, 20), batch=st.integers(1, 5), accumulate=st.integers(1, 3))
def test_batches_from_a_later_step_match_those_of_the_whole_run(
    first: int, more: int, batch: int, accumulate: int
) -> None:
    steps = first + more
    whole = list(StepBatches(0, steps, batch, accumulate))
    assert list(StepBatches(first, steps, batch, accumulate)) == whole[first * accumulate :]
    assert [position for positions in whole for position in positions] == list(range(steps * accumulate * batch))


@given(st.integers(0, 2**53), st.text(max_size=8), st.lists(st.integers(0, 10**9), max_size=3))
def test_a_derived_seed_is_valid_for_any_generator(seed: int, stream: str, indices: list[int]) -> None:
    derived = derive_seed(seed, stream, *indices)
    assert 0 <= derived < 2**63
    assert torch.equal(
        torch.rand(2, generator=generator(seed, stream, *indices)),
        torch.rand(2, generator=torch.Generator().manual_seed(derived)),
    )


def test_seeding_is_repeatable_and_does_not_affect_later_numbers() -> None:
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
