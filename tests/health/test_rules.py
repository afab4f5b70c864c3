"""What each rule is sure of, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cgkit.health.observation import Circumstances
from cgkit.health.rules import (
    RULES,
    collapse,
    colour_inversion,
    data_starved,
    discriminator_has_won,
    nothing_changes,
)
from cgkit.spec import Spec
from tests.health.test_watch import KNOWN, WELL


def given_spec(**tables: object) -> Circumstances:
    return replace(KNOWN, spec=Spec.model_validate(tables))


@pytest.mark.parametrize("name", RULES)
def test_no_rule_finds_anything_where_all_is_well(name: str) -> None:
    assert RULES[name](WELL, KNOWN) is None


@pytest.mark.parametrize("name", RULES)
def test_no_rule_needs_what_cannot_be_measured(name: str) -> None:
    unknown = replace(WELL, change=None, separation=None, remembered=None, overfitting=None)
    assert RULES[name](unknown, KNOWN) is None


def test_an_inversion_that_the_truth_shows_too_is_right() -> None:
    seen = replace(WELL, agreement=-0.8)
    assert colour_inversion(seen, KNOWN) is not None
    assert colour_inversion(replace(seen, true_agreement=-0.6), KNOWN) is None
    assert colour_inversion(replace(seen, true_agreement=0.6), KNOWN) is not None


def test_a_seed_is_advised_where_colours_are_held_already() -> None:
    seen = replace(WELL, agreement=-0.8)
    known = given_spec(seed=4)
    assert "seed = 5" in colour_inversion(seen, known).advice
    half = given_spec(objective={"cycle": 8.0, "identity": 1.0})
    assert "objective.identity = 4" in colour_inversion(seen, half).advice


def test_collapse_is_met_by_a_cycle_loss_then_by_a_lower_rate() -> None:
    seen = replace(WELL, diversity=0.02)
    backward_alone = given_spec(objective={"cycle": {"forward": 0.0, "backward": 10.0}})
    assert "objective.cycle = 10" in collapse(seen, backward_alone).advice
    assert "train.learning_rate = 0.0001" in collapse(replace(seen, direction="b2a"), backward_alone).advice


def test_a_copy_that_passes_for_real_is_no_fault() -> None:
    seen = replace(WELL, change=0.01, separation=0.55)
    assert nothing_changes(seen, KNOWN) is None
    assert "objective.identity = 2.5" in nothing_changes(replace(seen, separation=0.95), KNOWN).advice


def test_without_an_identity_loss_it_is_the_cycle_that_holds_back() -> None:
    known = given_spec(objective={"identity": 0.0})
    assert "objective.cycle = 5" in nothing_changes(replace(WELL, change=0.01, separation=0.95), known).advice


def test_a_discriminator_that_is_ahead_has_not_won() -> None:
    assert discriminator_has_won(replace(WELL, separation=0.99), KNOWN) is None
    assert "discriminator_learning_rate = 5e-05" in discriminator_has_won(replace(WELL, separation=1.0), KNOWN).advice


def test_test_images_must_lie_far_from_the_training_images_and_all_of_them() -> None:
    seen = replace(WELL, remembered=0.95, overfitting=0.8)
    assert "diff-augment" in data_starved(seen, KNOWN).advice
    assert "diff-augment" not in data_starved(seen, replace(KNOWN, augmented=True)).advice
    assert data_starved(replace(seen, remembered=0.7), KNOWN) is None
    assert data_starved(replace(seen, overfitting=0.2), KNOWN) is None
