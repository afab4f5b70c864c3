from __future__ import annotations

import torch

from cgkit.engine.image_pool import ImagePool


def numbered(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1, 1, 1)


def test_a_pool_without_capacity_returns_its_input() -> None:
    images = numbered(1, 2)
    assert ImagePool(0).exchange(images, torch.Generator()) is images


def test_a_pool_stores_and_returns_new_images_until_it_is_full() -> None:
    pool = ImagePool(4)
    draws = torch.Generator().manual_seed(0)
    assert torch.equal(pool.exchange(numbered(1, 2), draws), numbered(1, 2))
    assert torch.equal(pool.exchange(numbered(3, 4), draws), numbered(3, 4))
    assert torch.equal(torch.stack(pool.images), numbered(1, 2, 3, 4))


def test_a_full_pool_swaps_half_of_the_images_for_stored_ones() -> None:
    pool = ImagePool(10)
    draws = torch.Generator().manual_seed(0)
    pool.exchange(numbered(*range(10)), draws)
    exchanged = 0
    for number in range(10, 1010):
        shown = pool.exchange(numbered(number), draws)
        exchanged += int(shown.item() != number)
        if shown.item() != number:
            assert number in torch.stack(pool.images)
            assert shown.item() not in torch.stack(pool.images)
    assert 430 < exchanged < 570


def test_stored_images_are_copies() -> None:
    pool = ImagePool(2)
    images = numbered(1, 2)
    pool.exchange(images, torch.Generator())
    images.zero_()
    assert torch.equal(torch.stack(pool.images), numbered(1, 2))


def test_equal_draws_give_equal_exchanges() -> None:
    shown = []
    for _ in range(2):
        pool = ImagePool(3)
        draws = torch.Generator().manual_seed(5)
        shown.append(torch.cat([pool.exchange(numbered(number), draws) for number in range(50)]))
    assert torch.equal(*shown)
