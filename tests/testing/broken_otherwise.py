"""Further ways to break a check: what it looks at besides what the component in `broken.py` does wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cgkit.contracts import ImageRecord, Recognised
from tests.testing.broken import (
    AdversarialLoss,
    Augmentation,
    Discriminator,
    Distance,
    Generator,
    Grey,
    Known,
    Levels,
    Metric,
    Rendered,
    Roleless,
    Schedule,
    Source,
)


class Attached(Known):
    """Gives its parameters themselves to other programs."""

    def published_tensors(self) -> dict[str, Tensor]:
        return {name.replace("mix", "pen"): one for name, one in self.named_parameters()}


class Estranged(Known):
    """Does not know its own weights."""

    @staticmethod
    def recognise(tensors: Mapping[str, Tensor]) -> None:
        return None


class Taking(Known):
    """Empties the table that it is shown."""

    @staticmethod
    def recognise(tensors: dict[str, Tensor]) -> Recognised | None:
        found = Known.recognise(tensors)
        tensors.clear()
        return found


class Untyped(Schedule):
    """Linearly down.

    Args:
        power: of what type?
    """

    def __init__(self, *, power=1.0) -> None:
        self.power = power


class IllAdvised(Schedule):
    """Linearly down.

    Args:
        power: a number, or so it says.
    """

    def __init__(self, *, power: float = "much") -> None:  # type: ignore[assignment]
        self.power = power


class Incomplete(Schedule):
    """Linearly down.

    Args:
        power: has neither a default nor an example.
    """

    def __init__(self, *, power: float) -> None:
        self.power = power


class Narrowing(Generator):
    """Makes images less wide than they were."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)[..., :-1]


class SquareAlone(Generator):
    """Takes images that are as wide as they are high."""

    def forward(self, images: Tensor) -> Tensor:
        made = super().forward(images)
        return made if images.shape[2] == images.shape[3] else made.mT


class WildWhileTraining(Generator):
    """Leaves its bounds in training mode alone."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * (3 if self.training else 1)


class BlindToGrey(Generator):
    """Divides by the contrast, which may be zero."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images / images.std((1, 2, 3), keepdim=True))


class Unreached(Generator):
    """Cuts the gradient of a parameter."""

    def forward(self, images: Tensor) -> Tensor:
        return (images + self.mix(images).detach()).tanh()


class Endless(Generator):
    """Has a parameter whose slope is infinite."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.root = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return (self.mix(images) * (1 + (self.root - 1).relu().sqrt())).tanh()


class Crude(Generator):
    """Makes something else under autocast."""

    def forward(self, images: Tensor) -> Tensor:
        made = super().forward(images)
        return made / 2 if torch.is_autocast_enabled("cpu") else made


class HalfTraced(Generator):
    """Has another gradient where it is traced."""

    def forward(self, images: Tensor) -> Tensor:
        made = super().forward(images)
        return made / 2 + made.detach() / 2 if torch.compiler.is_compiling() else made


class DrawingByItself(Generator):
    """Draws from a generator that no checkpoint keeps, while training."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.draws = np.random.default_rng(0)

    def forward(self, images: Tensor) -> Tensor:
        made = super().forward(images)
        return made * float(self.draws.random()) if self.training else made


class Tied(Generator):
    """Two of its tensors share their memory."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.register_buffer("again", self.mix.weight.detach())


class Described(Generator):
    """Puts a text into its state."""

    def get_extra_state(self) -> str:
        return "a text"

    def set_extra_state(self, state: str) -> None:
        pass


class Flat(Discriminator):
    """Returns one number an image."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).mean((1, 2, 3))


class Silent(Discriminator):
    """Returns no scale at all."""

    def forward(self, images: Tensor) -> list[Tensor]:  # type: ignore[override]
        super().forward(images)
        return []


class Oblivious(Discriminator):
    """Says that it remembers images, and does not."""

    remembers_images = True

    def forward(self, images: Tensor, *, real: bool | None = None, learning: bool = False) -> Tensor:
        return super().forward(images)


class RatingMadeOnes(AdversarialLoss):
    """Teaches the discriminator to rate made images higher."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return nn.functional.softplus(-real_logits).mean() + nn.functional.softplus(-fake_logits).mean()


class LevelPenalty(AdversarialLoss):
    """Has a penalty for each image."""

    def penalty(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        return discriminator(real).square().mean((1, 2, 3))


class Reward(AdversarialLoss):
    """Has a penalty below zero."""

    def penalty(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        return -discriminator(real).square().mean()


class ReadyDraws(AdversarialLoss):
    """Draws where its penalty is taken, from numpy."""

    def penalty(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        return super().penalty(discriminator, real + float(np.random.rand()), fake)


class Wandering(Distance):
    """Weighs pixels by draws of its own."""

    def __init__(self) -> None:
        self.draws = np.random.default_rng(0)

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return super().__call__(reconstruction, target) * (1 + float(self.draws.random()))


class Indifferent(Distance):
    """Finds nothing different."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return super().__call__(reconstruction, target) * 0


class Cropping(Roleless):
    """Cuts a column off."""

    role = "data"

    def forward(self, images: Tensor) -> Tensor:
        return images[..., 1:]


class Darkening(Roleless):
    """Darkens beyond black."""

    role = "data"

    def forward(self, images: Tensor) -> Tensor:
        return images - 0.1


class OwnDice(Augmentation):
    """Mirrors as dice of its own fall.

    Args:
        p: how often.
    """

    def __init__(self, *, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.dice = np.random.default_rng(0)

    def forward(self, images: Tensor) -> Tensor:
        return images * float(self.dice.random()) if self.p else images


class Empty(Source):
    """Has nothing to train on."""

    def train(self) -> tuple[Rendered, Rendered]:
        return self.domain(0.0, 0), self.domain(0.5, 3)


class OneSided(Source):
    """Has one domain."""

    def test(self) -> tuple[Rendered]:  # type: ignore[override]
        return (self.domain(0.1, 2),)


class DoubleGrey(Grey):
    """Renders float64."""

    def __call__(self) -> np.ndarray:
        return super().__call__().astype(np.float64)


class Precise(Rendered):
    """Renders float64."""

    def __getitem__(self, index: int) -> ImageRecord:
        return ImageRecord(f"grey-{index}", render=DoubleGrey(0.5))


class PreciseSource(Source):
    """Greys in float64."""

    domain = Precise


class Bright(Rendered):
    """Renders beyond white."""

    def __getitem__(self, index: int) -> ImageRecord:
        return ImageRecord(f"grey-{index}", render=Grey(self.start + index + 1.5))


class BrightSource(Source):
    """Greys beyond white."""

    domain = Bright


class Unsettled(Rendered):
    """Has another order each time."""

    def order(self, epoch: int, seed: int) -> list[int]:
        self.start += 1
        return [(index + int(self.start)) % self.count for index in range(self.count)]


class UnsettledSource(Source):
    """Greys whose order changes."""

    domain = Unsettled


class Undecided(Source):
    """Says not whether its test images are aligned."""

    aligned = "perhaps"  # type: ignore[assignment]


class Soaring(Schedule):
    """Divides by what is left."""

    def __call__(self, step: int, steps: int, epoch_steps: int) -> float:
        return float("inf") if step == steps - 1 else 1.0


class Infinite(Metric):
    """Is infinite for equal images."""

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        return 1 / super().__call__(translations, references)


class Constant(Metric):
    """Gives everything the same number."""

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        return super().__call__(translations, references) * 0


class Boundless(Metric):
    """Compares translations with nothing that there is."""

    compares = "everything"


class Sampling(Metric):
    """Looks at pixels that it draws by itself."""

    def __init__(self) -> None:
        self.draws = np.random.default_rng(0)

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        return super().__call__(translations, references) * (1 + float(self.draws.random()))


class Crowded(Levels):
    """Has features that depend on the others of the batch."""

    def features(self, images: Tensor) -> Tensor:
        return super().features(images - images.mean(0, keepdim=True))


OTHERWISE: list[tuple[str, str, Any]] = [
    ("options-are-typed-and-documented", "schedules", Untyped),
    ("options-are-typed-and-documented", "schedules", IllAdvised),
    ("can-be-built", "schedules", Incomplete),
    ("keeps-height-and-width", "generators", Narrowing),
    ("keeps-height-and-width", "generators", SquareAlone),
    ("stays-in-range", "generators", WildWhileTraining),
    ("stays-in-range", "generators", BlindToGrey),
    ("gradients-reach-every-parameter", "generators", Unreached),
    ("gradients-reach-every-parameter", "generators", Endless),
    ("bf16-stays-finite", "generators", Crude),
    ("compiles", "generators", HalfTraced),
    ("published-tensors-give-an-equal-network", "generators", Attached),
    ("published-tensors-give-an-equal-network", "generators", Estranged),
    ("strange-tensors-are-not-recognised", "generators", Taking),
    ("is-decided-by-torchs-seed", "generators", DrawingByItself),
    ("is-decided-by-torchs-seed", "reconstruction_losses", Wandering),
    ("is-decided-by-torchs-seed", "augmentations", OwnDice),
    ("is-decided-by-torchs-seed", "metrics", Sampling),
    ("draws-from-torch-alone", "adversarial_losses", ReadyDraws),
    ("state-survives-safetensors", "generators", Tied),
    ("state-survives-safetensors", "generators", Described),
    ("returns-one-map-of-logits-a-scale", "discriminators", Flat),
    ("returns-one-map-of-logits-a-scale", "discriminators", Silent),
    ("evaluation-changes-nothing", "discriminators", Oblivious),
    ("adversarial-losses-point-the-right-way", "adversarial_losses", RatingMadeOnes),
    ("the-penalty-is-a-scalar-that-teaches", "adversarial_losses", LevelPenalty),
    ("the-penalty-is-a-scalar-that-teaches", "adversarial_losses", Reward),
    ("equal-images-are-nearest", "reconstruction_losses", Indifferent),
    ("augmentations-keep-shape-and-type", "augmentations", Cropping),
    ("augmentations-stay-in-range", "augmentations", Darkening),
    ("domains-hold-images-with-names-of-their-own", "sources", Empty),
    ("domains-hold-images-with-names-of-their-own", "sources", OneSided),
    ("records-hold-one-image", "sources", PreciseSource),
    ("records-hold-one-image", "sources", BrightSource),
    ("an-order-of-its-own-is-a-permutation", "sources", UnsettledSource),
    ("aligned-tests-are-of-equal-length", "sources", Undecided),
    ("factors-are-numbers-that-are-not-negative", "schedules", Soaring),
    ("metrics-give-a-number-an-image", "metrics", Infinite),
    ("metrics-tell-good-from-bad", "metrics", Constant),
    ("metrics-say-what-they-compare", "metrics", Boundless),
    ("metrics-of-sets-give-one-number", "metrics", Crowded),
]
"""A check, and the kind and the class of a component that breaks it."""
