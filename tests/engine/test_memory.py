from __future__ import annotations

import pytest
import torch

from cgkit.engine.memory import spares_memory


@pytest.mark.parametrize(
    ("batch", "height", "width", "expected"),
    [(1, 128, 128, False), (1, 256, 256, True), (3, 128, 128, False), (4, 128, 128, True), (1, 128, 1024, True)],
)
def test_auto_saves_memory_for_large_batches_on_a_cpu(batch: int, height: int, width: int, expected: bool) -> None:
    assert spares_memory("auto", torch.empty(batch, 3, height, width)) is expected


def test_auto_does_not_save_memory_on_other_devices() -> None:
    images = torch.empty(16, 3, 512, 512, device="meta")
    assert not spares_memory("auto", images)
    assert spares_memory("balanced", images)
    assert spares_memory("low", images)


def test_fast_never_saves_memory() -> None:
    assert not spares_memory("fast", torch.empty(16, 3, 512, 512, device="meta"))
