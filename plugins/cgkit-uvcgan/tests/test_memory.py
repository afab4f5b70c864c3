"""The memory of features: the newest come first, and there are never too many."""

from __future__ import annotations

import pytest
import torch
from cgkit_uvcgan.memory import FeatureMemory


def maps(*values, size=(2, 3)):
    return torch.stack([torch.full((1, *size), float(value)) for value in values])


def recalled(memory, size=(2, 3)):
    features, taken = memory.recall(size)
    assert len(features) == len(taken) == len(memory.features)
    return features[taken.flatten() == 1]


def remembered(memory):
    return [float(one.mean()) for one in recalled(memory)]


def test_it_holds_what_was_shown_last_and_no_more_than_it_can():
    memory = FeatureMemory(3, 1, (2, 3))
    held = []
    for batch in ([1], [2, 3], [4], [5, 6, 7, 8]):
        memory.remember(maps(*batch))
        held.append(remembered(memory))
        assert memory.features.shape == (3, 1, 2, 3)
    assert held == [[1], [2, 3, 1], [4, 2, 3], [5, 6, 7]]
    assert len(memory) == 3


def test_it_recalls_without_being_told_how_many_there_are():
    memory = FeatureMemory(3, 1, (2, 3)).to("meta")  # where no number can be read
    features, taken = memory.recall((4, 4))
    assert (features.shape, taken.shape) == ((3, 1, 4, 4), (3, 1, 1, 1))


def test_an_empty_one_recalls_nothing_of_any_size():
    assert recalled(FeatureMemory(3, 4, (2, 3))).shape == (0, 4, 2, 3)
    assert recalled(FeatureMemory(3, 4, (2, 3)), (5, 7)).shape == (0, 4, 5, 7)


def test_one_without_capacity_forgets_at_once():
    memory = FeatureMemory(0, 1, (2, 3))
    memory.remember(maps(1, 2))
    assert recalled(memory).shape == (0, 1, 2, 3)


def test_features_of_another_size_are_scaled():
    memory = FeatureMemory(2, 1, (2, 3))
    memory.remember(maps(4, size=(5, 6)))
    assert torch.allclose(recalled(memory), maps(4))
    assert torch.allclose(recalled(memory, (7, 8)), maps(4, size=(7, 8)))


def test_nothing_is_learned_through_it_and_what_was_recalled_stays_usable():
    memory = FeatureMemory(2, 1, (2, 3))
    features = maps(1, 2).requires_grad_()
    memory.remember(features)
    weight = torch.ones((), requires_grad=True)
    loss = (recalled(memory) * weight).sum()
    memory.remember(maps(9))
    loss.backward()
    assert float(weight.grad) == pytest.approx(6 * (1 + 2))
    assert features.grad is None
