"""The memory of features: newest first, with a limited capacity."""

from __future__ import annotations

import pytest
import torch
from cgkit_uvcgan.memory import FeatureMemory


def maps(*values, size=(2, 3)):
    return torch.stack([torch.full((1, *size), float(value)) for value in values])


def recall(memory, size=(2, 3)):
    features, mask = memory.recall(size)
    assert len(features) == len(mask) == len(memory.features)
    return features[mask.flatten() == 1]


def test_the_newest_features_are_stored_up_to_the_capacity():
    memory = FeatureMemory(3, 1, (2, 3))
    stored = []
    for batch in ([1], [2, 3], [4], [5, 6, 7, 8]):
        memory.remember(maps(*batch))
        stored.append([float(features.mean()) for features in recall(memory)])
        assert memory.features.shape == (3, 1, 2, 3)
    assert stored == [[1], [2, 3, 1], [4, 2, 3], [5, 6, 7]]
    assert len(memory) == 3


def test_recalling_reads_no_value_from_the_device():
    memory = FeatureMemory(3, 1, (2, 3)).to("meta")
    features, mask = memory.recall((4, 4))
    assert (features.shape, mask.shape) == ((3, 1, 4, 4), (3, 1, 1, 1))


def test_an_empty_memory_recalls_nothing_at_any_size():
    assert recall(FeatureMemory(3, 4, (2, 3))).shape == (0, 4, 2, 3)
    assert recall(FeatureMemory(3, 4, (2, 3)), (5, 7)).shape == (0, 4, 5, 7)


def test_a_memory_without_capacity_stores_nothing():
    memory = FeatureMemory(0, 1, (2, 3))
    memory.remember(maps(1, 2))
    assert recall(memory).shape == (0, 1, 2, 3)


def test_features_of_other_sizes_are_resized():
    memory = FeatureMemory(2, 1, (2, 3))
    memory.remember(maps(4, size=(5, 6)))
    assert torch.allclose(recall(memory), maps(4))
    assert torch.allclose(recall(memory, (7, 8)), maps(4, size=(7, 8)))


def test_stored_features_are_detached_and_later_updates_do_not_affect_backpropagation():
    memory = FeatureMemory(2, 1, (2, 3))
    features = maps(1, 2).requires_grad_()
    memory.remember(features)
    weight = torch.ones((), requires_grad=True)
    loss = (recall(memory) * weight).sum()
    memory.remember(maps(9))
    loss.backward()
    assert float(weight.grad) == pytest.approx(6 * (1 + 2))
    assert features.grad is None
