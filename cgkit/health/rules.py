"""The rules: each looks at one observation and says what is wrong, if it is sure.

A rule has no memory. What it finds is noted when it has been so for long enough: see `Watch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cgkit.health.observation import Circumstances, Observation

INVERTED = -0.5
"""The correlation of luminance below which a translation is a negative of its source."""

COLLAPSED = 0.1
"""The diversity of translations, in that of real images, below which they are all one image."""

UNCHANGED = 0.05
"""The change, in the distance between the domains, below which a translation is its source."""

TOLD_APART = 0.9
"""The separation above which a discriminator plainly knows translations from real images."""

WON = 0.999
"""The separation above which no translation ever passes for a real image."""

MEMORISED = 0.9
"""How often training images must have higher logits than test images for a discriminator to know them by heart."""

OVERFITTED = 0.5
"""Half way: test images are as far from training images as from translations (Karras et al., 2020, r_v)."""


@dataclass(frozen=True)
class Finding:
    """What is wrong, in one sentence, and what to change."""

    message: str
    advice: str


Rule = Callable[[Observation, Circumstances], Finding | None]


def colour_inversion(seen: Observation, known: Circumstances) -> Finding | None:
    """Translations are negatives of their sources: a cycle brings a negative back as well as a picture."""
    truth = seen.true_agreement
    if seen.agreement > INVERTED or (truth is not None and truth < INVERTED / 2):
        return None
    message = (
        f"what is bright in domain {seen.source} comes out dark in domain {seen.target} "
        f"(correlation of luminance {seen.agreement:.2f})"
    )
    weight = known.spec.objective.identity.b if seen.target == "b" else known.spec.objective.identity.a
    cycle = max(known.spec.objective.cycle.forward, known.spec.objective.cycle.backward)
    if weight < cycle / 2:
        return Finding(message, f"an identity loss holds colours: set objective.identity = {cycle / 2 or 5.0:g}")
    return Finding(message, f"another start may not fall into it: set seed = {known.spec.seed + 1}")


def collapse(seen: Observation, known: Circumstances) -> Finding | None:
    """Whatever the source, the translation is the same image."""
    if seen.diversity > COLLAPSED:
        return None
    message = (
        f"translations of different images are nearly the same image: they differ by {seen.diversity:.0%} "
        "of what real images do"
    )
    cycle = known.spec.objective.cycle
    weight = cycle.forward if seen.direction == "a2b" else cycle.backward
    if weight == 0:
        return Finding(message, "a cycle loss makes translations tell their sources apart: set objective.cycle = 10")
    rate = known.spec.train.learning_rate
    return Finding(message, f"let the networks learn more slowly: set train.learning_rate = {rate / 2:g}")


def nothing_changes(seen: Observation, known: Circumstances) -> Finding | None:
    """The translation is the source, while the discriminator still sees that it is none of the target domain."""
    if seen.change is None or seen.change > UNCHANGED or (seen.separation is not None and seen.separation < TOLD_APART):
        return None
    message = (
        f"translations are still their sources: they moved by {seen.change:.1%} "
        f"of the distance between images of both domains"
    )
    objective = known.spec.objective
    weight = objective.adversarial.a2b if seen.direction == "a2b" else objective.adversarial.b2a
    if weight == 0:
        return Finding(message, "nothing asks for a change: set objective.adversarial = 1")
    identity = objective.identity.b if seen.target == "b" else objective.identity.a
    if identity > 0:
        return Finding(message, f"the identity loss holds them back: set objective.identity = {_less(identity)}")
    cycle = max(objective.cycle.forward, objective.cycle.backward)
    return Finding(message, f"the cycle loss holds them back: set objective.cycle = {cycle / 2:g}")


def discriminator_has_won(seen: Observation, known: Circumstances) -> Finding | None:
    """The discriminator tells every translation from every real image, seen or not: it has nothing left to teach."""
    if seen.separation is None or seen.separation < WON:
        return None
    message = (
        f"discriminator {seen.target} tells translations from real test images wherever it looks "
        f"({seen.separation:.2%} of all pairs of logits)"
    )
    train = known.spec.train
    rate = train.discriminator_learning_rate or train.learning_rate
    return Finding(message, f"let it learn more slowly: set train.discriminator_learning_rate = {rate / 4:g}")


def data_starved(seen: Observation, known: Circumstances) -> Finding | None:
    """The discriminator knows its training images by heart: it takes real images that it never saw for made ones."""
    if seen.remembered is None or seen.overfitting is None:
        return None
    if seen.remembered < MEMORISED or seen.overfitting < OVERFITTED:
        return None
    count = known.images[0 if seen.target == "a" else 1]
    message = (
        f"discriminator {seen.target} knows its {count} training images by heart: it ranks real test images "
        f"{min(seen.overfitting, 1):.0%} of the way from them to translations"
    )
    if known.augmented:
        return Finding(message, "add training images, or end training earlier")
    return Finding(message, 'add training images, or [[augmentation]] with name = "diff-augment"')


RULES: Mapping[str, Rule] = {
    "colour-inversion": colour_inversion,
    "collapse": collapse,
    "nothing-changes": nothing_changes,
    "discriminator-has-won": discriminator_has_won,
    "data-starved": data_starved,
}
"""By the name that a note bears."""


def _less(weight: float) -> str:
    return f"{weight / 2:g}" if weight > 1 else "0"
