"""The health rules: each examines one observation and returns a finding only in clear cases.

Rules are stateless. `Watch` turns a finding into a note once the finding has persisted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cgkit.health.data import AUGMENT
from cgkit.health.observation import Circumstances, Observation

INVERTED = -0.5
"""The luminance correlation below which translations count as negatives of their sources."""

COLLAPSED = 0.1
"""The diversity, relative to real images, below which translations count as collapsed."""

UNCHANGED = 0.05
"""The change, relative to the distance between the domains, below which translations count as copies."""

SEPARATED = 0.9
"""The separation above which a discriminator clearly distinguishes real from generated images."""

WON = 0.999
"""The separation above which practically no translation passes for a real image."""

MEMORISED = 0.9
"""The minimum fraction of pairs with the higher logit for the training image that counts as memorisation."""

OVERFITTED = 0.5
"""The minimum overfitting at which test images are rated more like translations than like training images."""


@dataclass(frozen=True)
class Finding:
    """A problem: what was observed, what it probably means, and what to change."""

    message: str
    advice: str


def set_and_continue(setting: str, value: float) -> str:
    """Return the advice to give a setting another value and continue the run with it."""
    return f"set {setting} = {value:g} and continue with --change {setting}"


Rule = Callable[[Observation, Circumstances], Finding | None]


def colour_inversion(observation: Observation, circumstances: Circumstances) -> Finding | None:
    """Detect translations that are negatives of their sources, which the cycle loss does not penalise."""
    truth = observation.true_agreement
    if observation.agreement > INVERTED or (truth is not None and truth < INVERTED / 2):
        return None
    message = (
        f"bright areas of domain {observation.source} become dark in domain {observation.target} "
        f"(luminance correlation {observation.agreement:.2f}): the generator has probably learned to invert colours"
    )
    objective = circumstances.spec.objective
    weight = objective.identity.b if observation.target == "b" else objective.identity.a
    cycle = max(objective.cycle.forward, objective.cycle.backward)
    if weight < cycle / 2:
        setting = set_and_continue("objective.identity", cycle / 2 or 5.0)
        return Finding(message, f"add an identity loss to preserve colours: {setting}")
    seed = circumstances.spec.seed + 1
    return Finding(message, f"try another initialisation: start a run with seed = {seed} and another --output")


def collapse(observation: Observation, circumstances: Circumstances) -> Finding | None:
    """Detect mode collapse: nearly the same translation for every source."""
    if observation.diversity > COLLAPSED:
        return None
    message = (
        f"translations of different images are nearly the same image (they differ by {observation.diversity:.0%} "
        "of the difference between real images): this is probably mode collapse"
    )
    cycle = circumstances.spec.objective.cycle
    weight = cycle.forward if observation.direction == "a2b" else cycle.backward
    if weight == 0 and not circumstances.spec.term:
        setting = set_and_continue("objective.cycle", 10)
        return Finding(message, f"add a cycle loss, which penalises lost content: {setting}")
    rate = circumstances.spec.train.learning_rate
    return Finding(message, f"lower the learning rate: {set_and_continue('train.learning_rate', rate / 2)}")


def nothing_changes(observation: Observation, circumstances: Circumstances) -> Finding | None:
    """Detect translations that copy their sources, unless the discriminator takes the translations for real images."""
    change, separation = observation.change, observation.separation
    if change is None or change > UNCHANGED or (separation is not None and separation < SEPARATED):
        return None
    message = (
        f"translations are nearly identical to their sources (they changed by {change:.1%} "
        "of the distance between the domains): the generator is probably stuck at copying"
    )
    objective = circumstances.spec.objective
    weight = objective.adversarial.a2b if observation.direction == "a2b" else objective.adversarial.b2a
    if weight == 0:
        return Finding(message, f"no loss requires a change: {set_and_continue('objective.adversarial', 1)}")
    identity = objective.identity.b if observation.target == "b" else objective.identity.a
    if identity > 0:
        setting = set_and_continue("objective.identity", identity / 2 if identity > 1 else 0)
        return Finding(message, f"lower the weight of the identity loss: {setting}")
    cycle = max(objective.cycle.forward, objective.cycle.backward)
    return Finding(message, f"lower the weight of the cycle loss: {set_and_continue('objective.cycle', cycle / 2)}")


def discriminator_has_won(observation: Observation, circumstances: Circumstances) -> Finding | None:
    """Detect a discriminator that separates all real images, seen or unseen, from all translations."""
    if observation.separation is None or observation.separation < WON:
        return None
    message = (
        f"discriminator {observation.target} separates real test images from translations almost perfectly "
        f"({observation.separation:.2%} of all pairs of logits): the generator probably gets no useful gradient from it"
    )
    train = circumstances.spec.train
    rate = train.discriminator_learning_rate or train.learning_rate
    setting = set_and_continue("train.discriminator_learning_rate", rate / 4)
    return Finding(message, f"slow the discriminators down: {setting}")


def data_starved(observation: Observation, circumstances: Circumstances) -> Finding | None:
    """Detect a discriminator that has memorised its training images and rates unseen real images as generated."""
    if observation.remembered is None or observation.overfitting is None:
        return None
    if observation.remembered < MEMORISED or observation.overfitting < OVERFITTED:
        return None
    count = circumstances.images[0 if observation.target == "a" else 1]
    message = (
        f"discriminator {observation.target} has probably memorised its {count} training images: it rates real test "
        f"images {min(observation.overfitting, 1):.0%} of the way from training images to translations"
    )
    if circumstances.augmented:
        return Finding(message, "add training images and continue with --change data, or train for fewer steps")
    return Finding(message, f"add training images and continue with --change data, or {AUGMENT}")


RULES: Mapping[str, Rule] = {
    "colour-inversion": colour_inversion,
    "collapse": collapse,
    "nothing-changes": nothing_changes,
    "discriminator-has-won": discriminator_has_won,
    "data-starved": data_starved,
}
"""The rules, by the names that are recorded in notes."""
