"""What each rule detects, and what it ignores."""

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
from tests.health.test_watch import HEALTHY, RUN


def given_spec(**tables: object) -> Circumstances:
    return replace(RUN, spec=Spec.model_validate(tables))


@pytest.mark.parametrize("name", RULES)
def test_rules_find_nothing_in_a_healthy_run(name: str) -> None:
    assert RULES[name](HEALTHY, RUN) is None


@pytest.mark.parametrize("name", RULES)
def test_rules_accept_missing_measurements(name: str) -> None:
    observation = replace(HEALTHY, change=None, separation=None, remembered=None, overfitting=None)
    assert RULES[name](observation, RUN) is None


def test_inversion_is_ignored_if_the_ground_truth_is_inverted_too() -> None:
    observation = replace(HEALTHY, agreement=-0.8)
    assert colour_inversion(observation, RUN) is not None
    assert colour_inversion(replace(observation, true_agreement=-0.6), RUN) is None
    assert colour_inversion(replace(observation, true_agreement=0.6), RUN) is not None


def test_another_seed_is_advised_if_the_identity_loss_is_strong_already() -> None:
    observation = replace(HEALTHY, agreement=-0.8)
    circumstances = given_spec(seed=4)
    assert "seed = 5" in colour_inversion(observation, circumstances).advice
    half = given_spec(objective={"cycle": 8.0, "identity": 1.0})
    assert "objective.identity = 4" in colour_inversion(observation, half).advice


def test_collapse_advises_a_cycle_loss_then_a_lower_learning_rate() -> None:
    observation = replace(HEALTHY, diversity=0.02)
    backward_alone = given_spec(objective={"cycle": {"forward": 0.0, "backward": 10.0}})
    assert "objective.cycle = 10" in collapse(observation, backward_alone).advice
    assert "train.learning_rate = 0.0001" in collapse(replace(observation, direction="b2a"), backward_alone).advice


def test_copies_that_pass_for_real_are_ignored() -> None:
    observation = replace(HEALTHY, change=0.01, separation=0.55)
    assert nothing_changes(observation, RUN) is None
    assert "objective.identity = 2.5" in nothing_changes(replace(observation, separation=0.95), RUN).advice


def test_a_lower_cycle_weight_is_advised_without_an_identity_loss() -> None:
    circumstances = given_spec(objective={"identity": 0.0})
    observation = replace(HEALTHY, change=0.01, separation=0.95)
    assert "objective.cycle = 5" in nothing_changes(observation, circumstances).advice


def test_a_discriminator_that_is_merely_ahead_is_ignored() -> None:
    assert discriminator_has_won(replace(HEALTHY, separation=0.99), RUN) is None
    assert "discriminator_learning_rate = 5e-05" in discriminator_has_won(replace(HEALTHY, separation=1.0), RUN).advice


def test_data_starvation_needs_both_high_recall_of_training_images_and_overfitting() -> None:
    observation = replace(HEALTHY, remembered=0.95, overfitting=0.8)
    assert "diff-augment" in data_starved(observation, RUN).advice
    assert "diff-augment" not in data_starved(observation, replace(RUN, augmented=True)).advice
    assert data_starved(replace(observation, remembered=0.7), RUN) is None
    assert data_starved(replace(observation, overfitting=0.2), RUN) is None
