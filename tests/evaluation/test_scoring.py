from __future__ import annotations

import pytest
import torch

from cgkit.components.metrics.l1 import MeanAbsoluteError
from cgkit.evaluation.scoring import score


def test_each_direction_is_compared_with_the_truth_and_with_doing_nothing() -> None:
    tests = torch.full((5, 3, 8, 8), 0.25), torch.full((5, 3, 8, 8), 0.75)
    translate = {"a2b": lambda images: images + 0.4, "b2a": lambda images: images - 0.5}
    scores = {one.direction: one for one in score(tests, translate, {"l1": MeanAbsoluteError()}, batch=2)}
    assert scores["a2b"].value == pytest.approx(0.1)
    assert scores["b2a"].value == pytest.approx(0.0, abs=1e-7)
    assert scores["a2b"].untranslated == scores["b2a"].untranslated == pytest.approx(0.5)
    assert scores["a2b"].images == 5


def test_domains_of_different_channels_have_no_untranslated_score() -> None:
    tests = torch.rand(2, 1, 8, 8), torch.rand(2, 3, 8, 8)
    translate = {"a2b": lambda images: images.expand(-1, 3, -1, -1), "b2a": lambda images: images[:, :1]}
    assert {one.untranslated for one in score(tests, translate, {"l1": MeanAbsoluteError()})} == {None}
