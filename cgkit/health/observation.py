"""What rules judge: how one direction of a training stands."""

from __future__ import annotations

from dataclasses import dataclass

from cgkit.spec import Spec


@dataclass(frozen=True)
class Observation:
    """How the translations of one direction stand after a step, on a few test images.

    Attributes:
        step: how many steps are done.
        direction: `a2b` or `b2a`.
        agreement: the correlation of luminance between sources and translations.
        true_agreement: the same between sources and the truth, where it is known.
        diversity: how unlike each other translations are, 1 being as unlike as sources or as target images, whichever
            are more alike.
        change: how far translations are from their sources, 1 being as far as images of the two domains from each
            other; None where the channels differ.
        separation: how often the discriminator gives a real test image a higher logit than a translation; None where
            no discriminator judges the direction.
        remembered: how often it gives training images a higher logit than test images; None where there is no
            discriminator, or the test images are the training images.
        overfitting: where it places test images between training images, 0, and translations, 1.
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
        """The domain that is translated."""
        return self.direction[0]

    @property
    def target(self) -> str:
        """The domain that translations should look like."""
        return self.direction[-1]


@dataclass(frozen=True)
class Circumstances:
    """What a training was asked for, as far as advice depends on it.

    Attributes:
        spec: the resolved spec.
        steps: how many steps are to be done.
        images: how many training images domain a and b have.
        augmented: whether discriminators see images changed at random.
    """

    spec: Spec
    steps: int
    images: tuple[int, int]
    augmented: bool
