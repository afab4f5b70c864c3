"""The input of the health rules: measurements of one direction, and the settings of the run."""

from __future__ import annotations

from dataclasses import dataclass

from cgkit.spec import Spec


@dataclass(frozen=True)
class Observation:
    """Measurements of one direction after a step, on a few test images.

    Attributes:
        step: the number of completed steps.
        direction: `a2b` or `b2a`.
        agreement: the luminance correlation of sources and translations.
        true_agreement: the luminance correlation of sources and ground truth; None if the ground truth is unknown.
        diversity: the mean difference between translations, relative to the smaller of two values: the mean difference
            between sources and that between target images.
        change: the mean distance of translations from their sources, relative to the mean distance between
            images of the two domains; None if the domains have different numbers of channels.
        separation: the fraction of pairs in which the discriminator gives the real test image a higher logit than the
            translation; None if the direction has no adversarial loss.
        remembered: the fraction of pairs in which the discriminator gives the training image a higher logit than the
            test image; None without an adversarial loss, or if the test images are the training images.
        overfitting: how the discriminator rates test images, from 0 (like training images) to 1 (like translations);
            None under the same conditions as `remembered`.
    """

    step: int
    direction: str
    agreement: float
    true_agreement: float | None
    diversity: float
    change: float | None
    separation: float | None
    remembered: float | None
    overfitting: float | None

    @property
    def source(self) -> str:
        """The source domain, `a` or `b`."""
        return self.direction[0]

    @property
    def target(self) -> str:
        """The target domain, `a` or `b`."""
        return self.direction[-1]


@dataclass(frozen=True)
class Circumstances:
    """The settings of a run that the rules and their advice depend on.

    Attributes:
        spec: the resolved spec.
        steps: the total number of training steps.
        images: the numbers of training images of domains a and b.
        augmented: whether the images shown to the discriminators are augmented.
    """

    spec: Spec
    steps: int
    images: tuple[int, int]
    augmented: bool
