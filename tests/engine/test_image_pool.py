from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.engine.image_pool import ImagePool


def numbered(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1, 1, 1)


def exchange(pool: ImagePool, images: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    return pool.exchange(images, pool.draw(len(images), draws))


class ListOfImages:
    """The image pool of the published code: one image at a time, in a list."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.images: list[torch.Tensor] = []

    def exchange(self, images: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        shown = []
        for image in images:
            if len(self.images) < self.capacity:
                self.images.append(image.clone())
                shown.append(image)
            elif torch.rand((), generator=draws) < 0.5:
                index = int(torch.randint(self.capacity, (), generator=draws))
                shown.append(self.images[index])
                self.images[index] = image.clone()
            else:
                shown.append(image)
        return torch.stack(shown)


@settings(deadline=None)
@given(st.integers(1, 7), st.lists(st.integers(1, 9), max_size=12), st.integers(0, 2**30))
def test_it_shows_and_stores_what_a_list_of_images_would(capacity: int, counts: list[int], seed: int) -> None:
    pool, reference = ImagePool(capacity), ListOfImages(capacity)
    ours, theirs = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
    number = 0
    for count in counts:
        images = numbered(*range(number, number + count))
        number += count
        assert torch.equal(exchange(pool, images, ours), reference.exchange(images, theirs))
        pool.keep(torch.tensor(True))
        assert pool.images is not None
        assert torch.equal(pool.images, torch.stack(reference.images))


def test_a_pool_without_capacity_returns_its_input() -> None:
    images = numbered(1, 2)
    assert exchange(ImagePool(0), images, torch.Generator()) is images


def test_a_full_pool_swaps_half_of_the_images_for_stored_ones() -> None:
    pool = ImagePool(10)
    draws = torch.Generator().manual_seed(0)
    exchange(pool, numbered(*range(10)), draws)
    swapped = [int(exchange(pool, numbered(number), draws).item() != number) for number in range(10, 1010)]
    assert 430 < sum(swapped) < 570


def test_stored_images_are_copies() -> None:
    pool = ImagePool(2)
    images = numbered(1, 2)
    exchange(pool, images, torch.Generator())
    images.zero_()
    assert pool.images is not None
    assert torch.equal(pool.images, numbered(1, 2))


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.booleans())
def test_exchanges_of_a_step_can_be_undone(counts: list[int], by_the_device: bool) -> None:
    pool = ImagePool(4)
    draws = torch.Generator().manual_seed(0)
    exchange(pool, numbered(1, 2, 3, 4), draws)
    pool.keep(torch.tensor(True))
    for count in counts:
        exchange(pool, numbered(*range(10, 10 + count)), draws)
    if by_the_device:
        pool.keep(torch.tensor(False))
    else:
        pool.undo()
    assert pool.images is not None
    assert torch.equal(pool.images, numbered(1, 2, 3, 4))
