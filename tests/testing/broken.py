"""Components that keep their contract, and for each check one that breaks it and nothing else."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cgkit.contracts import Cycle, ImageRecord, Recognised

COUNT = itertools.count()
"""What no seed decides."""


class Generator(nn.Module):
    """One convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.mix(images).tanh()


class Known(Generator):
    """One convolution, which other programs call `pen`."""

    @staticmethod
    def recognise(tensors: Mapping[str, Tensor]) -> Recognised | None:
        if set(tensors) != {"pen.weight", "pen.bias"}:
            return None
        made, given = tensors["pen.weight"].shape[:2]
        return Recognised(given, made, {}, {name.replace("pen", "mix"): one for name, one in tensors.items()})

    def published_tensors(self) -> dict[str, Tensor]:
        return {name.replace("mix", "pen"): one for name, one in self.state_dict().items()}


class Discriminator(nn.Module):
    """Two convolutions."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.judge = nn.Sequential(nn.Conv2d(in_channels, 4, 4, stride=2), nn.Softplus(), nn.Conv2d(4, 1, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.judge(images)


class AdversarialLoss:
    """Logistic, with a penalty."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return nn.functional.softplus(-real_logits).mean() + nn.functional.softplus(fake_logits).mean()

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return nn.functional.softplus(-fake_logits).mean()

    def penalty(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        images = real.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
        return gradient.square().mean()


class Distance:
    """Mean absolute difference."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return (reconstruction - target).abs().mean()


class Augmentation(nn.Module):
    """Mirrors.

    Args:
        p: how often.
    """

    role = "data"

    def __init__(self, *, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, images: Tensor) -> Tensor:
        return images.flip(-1) if torch.rand(()) < self.p else images


class Adapting(nn.Module):
    """Brightens more and more."""

    role = "adversarial"

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.shift

    def observe(self, real_logits: Sequence[Tensor]) -> None:
        self.shift += real_logits[0].mean()


class Rendered:
    """Images of one grey each."""

    def __init__(self, start: float, count: int) -> None:
        self.start, self.count = start, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> ImageRecord:
        return ImageRecord(f"grey-{index}", render=Grey(self.start + index / 10))

    def fingerprint(self) -> str:
        return f"{self.start} {self.count}"

    def order(self, epoch: int, seed: int) -> list[int]:
        return [(index + epoch + seed) % self.count for index in range(self.count)]


class Grey:
    """Renders one grey."""

    def __init__(self, level: float) -> None:
        self.level = level

    def __call__(self) -> np.ndarray:
        return np.full((3, 8, 8), self.level, dtype=np.float32)


class Source:
    """Greys."""

    aligned = True
    domain: type[Rendered] = Rendered

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def train(self) -> tuple[Rendered, Rendered]:
        return self.domain(0.0, 4), self.domain(0.5, 3)

    def test(self) -> tuple[Rendered, Rendered]:
        return self.domain(0.1, 2), self.domain(0.6, 2)


class Schedule:
    """Linearly down."""

    def __call__(self, step: int, steps: int, epoch_steps: int) -> float:
        return 1 - step / steps


class Metric:
    """Mean absolute difference."""

    compares = "truth"
    better = "lower"

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        return (translations - references).abs().mean((1, 2, 3))


class Copying(Metric):
    """Mean absolute difference to the source."""

    compares = "source"
    better = None


class Returning:
    """Mean absolute difference to the source, there and back."""

    compares = "cycle"
    better = "lower"

    def __call__(self, cycle: Cycle) -> Tensor:
        return (cycle.back(cycle.translations) - cycle.sources).abs().mean((1, 2, 3))


class Levels:
    """Difference of the mean levels of two sets."""

    compares = "domain"
    better = "lower"
    extractor = "mean levels"

    def features(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))

    def __call__(self, made: Tensor, real: Tensor) -> Tensor:
        return (made.mean() - real.mean()).abs()


class Tracker:
    """Keeps numbers in a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "numbers.txt"

    def record(self, step: int, values: Mapping[str, float]) -> None:
        with self.file.open("a") as stream:
            stream.write(f"{step} {dict(values)}\n")

    def rewind(self, step: int) -> None:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        self.file.write_text("".join(f"{line}\n" for line in lines if int(line.split()[0]) <= step))

    def close(self) -> None:
        pass


GOOD: dict[str, list[Any]] = {
    "generators": [Generator, Known],
    "discriminators": [Discriminator],
    "adversarial_losses": [AdversarialLoss],
    "reconstruction_losses": [Distance],
    "augmentations": [Augmentation, Adapting],
    "sources": [Source],
    "schedules": [Schedule],
    "metrics": [Metric, Copying, Returning, Levels],
    "trackers": [Tracker],
}


class Undocumented(Schedule):
    """Linearly down."""

    def __init__(self, *, power: float = 1.0) -> None:
        self.power = power


class Unpicklable(Schedule):
    """Linearly down."""

    def __init__(self) -> None:
        self.function = lambda step: step


class ThreeChannels(Generator):
    """Makes three channels, whatever is asked for."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, 3)


class Unbounded(Generator):
    """Has no tanh."""

    def forward(self, images: Tensor) -> Tensor:
        return 3 * self.mix(images)


class TwoChannels(Discriminator):
    """Returns two logits a patch."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).repeat(1, 2, 1, 1)


class BlindToWhite(Discriminator):
    """Divides by zero where an image is white."""

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        white = bool((images == 1).all()) and not torch.is_autocast_enabled("cpu")
        return logits / 0 if white else logits


class Squeezed(Discriminator):
    """Ends with a tanh."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).tanh()


class Mixing(Generator):
    """Takes the mean of the batch away."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images - images.mean(0, keepdim=True) / 2)


class Overflowing(Generator):
    """Cannot be computed in bf16."""

    def forward(self, images: Tensor) -> Tensor:
        made = super().forward(images)
        return made / 0 if torch.is_autocast_enabled("cpu") else made


class Idle(Generator):
    """Has a parameter that does nothing."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.idle = nn.Parameter(torch.ones(3))


class WronglyNormed(Generator):
    """Uses the norm whose gradient is wrong for one image in channels_last."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.norm = nn.InstanceNorm2d(out_channels)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.mix(images)).tanh()


class Counting(Generator):
    """Adds what no seed decides, while training."""

    def forward(self, images: Tensor) -> Tensor:
        made = super().forward(images)
        return made * (1 - (next(COUNT) % 97) / 1000) if self.training else made


class Tossing(Generator):
    """Draws from Python's random numbers, while training."""

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            random.random()
        return super().forward(images)


class Biasless(Known):
    """Gives its weights to other programs without its bias."""

    def published_tensors(self) -> dict[str, Tensor]:
        tensors = super().published_tensors()
        return {**tensors, "pen.bias": torch.zeros_like(tensors["pen.bias"])}


class Claiming(Known):
    """Takes what it does not know for its own."""

    @staticmethod
    def recognise(tensors: Mapping[str, Tensor]) -> Recognised | None:
        return Known.recognise(tensors) or Recognised(3, 3, {}, tensors)


class Drawing(Generator):
    """Draws a number in evaluation mode."""

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            torch.rand(())
        return super().forward(images)


class Secretive(Generator):
    """Holds a tensor that is in no state."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.secret = torch.rand(())

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * self.secret


class Restless(Generator):
    """Counts what it is shown."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.register_buffer("shown", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        self.shown += 1
        return super().forward(images)


class Opaque(Generator):
    """Makes something else where it is traced."""

    def forward(self, images: Tensor) -> Tensor:
        made = super().forward(images)
        return made / 2 if torch.compiler.is_compiling() else made


class Vector(AdversarialLoss):
    """Forgets to average."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return nn.functional.softplus(-fake_logits)


class Underflowing(AdversarialLoss):
    """Takes the logarithm of what may be zero."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return -fake_logits.sigmoid().log().mean()


class Reversed(AdversarialLoss):
    """Teaches the generator to be found out."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return nn.functional.softplus(fake_logits).mean()


class Toothless(AdversarialLoss):
    """Has a penalty without a second derivative."""

    def penalty(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        return super().penalty(discriminator, real, fake).detach().requires_grad_()


class DistanceOfEach(Distance):
    """Forgets to average."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return (reconstruction - target).abs().mean((1, 2, 3))[None]


class Root(Distance):
    """The root of the mean square, whose slope at zero is infinite."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return (reconstruction - target).square().mean().sqrt()


class Raised(Distance):
    """Begins at one."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return 1 + super().__call__(reconstruction, target)


class Coarse(Distance):
    """Computes in few digits where it gets float32."""

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        difference = (reconstruction - target).square()
        if difference.dtype == torch.float32:
            difference = difference * (1 + 0.05 * (difference.detach() > 1))
        return difference.mean()


class Roleless(nn.Module):
    """Says no role."""

    role = "everything"

    def forward(self, images: Tensor) -> Tensor:
        return images.flip(-1)


class Widening(Roleless):
    """Turns float32 into float64."""

    role = "data"

    def forward(self, images: Tensor) -> Tensor:
        return images.double()


class Glaring(Roleless):
    """Brightens beyond white."""

    role = "data"

    def forward(self, images: Tensor) -> Tensor:
        return images * 1.5


class Overwriting(Roleless):
    """Changes what it is given."""

    role = "data"

    def forward(self, images: Tensor) -> Tensor:
        return images.mul_(0.5)


class Insistent(Augmentation):
    """Mirrors always.

    Args:
        p: how often, in vain.
    """

    def forward(self, images: Tensor) -> Tensor:
        return images.flip(-1)


class Cut(Roleless):
    """Lets no gradient through."""

    role = "adversarial"

    def forward(self, images: Tensor) -> Tensor:
        return images.detach().flip(-1)


class Forgetful(Adapting):
    """Keeps how often it observed in no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.observations = 0

    def observe(self, real_logits: Sequence[Tensor]) -> None:
        if self.observations % 5 == 0:
            super().observe(real_logits)
        self.observations += 1 if float(real_logits[0].mean()) > 0 else 2


class SameNames(Rendered):
    """Calls all images the same."""

    def __getitem__(self, index: int) -> ImageRecord:
        return ImageRecord("grey", render=super().__getitem__(index).render)


class TwoThings(Rendered):
    """Gives bytes and a render function."""

    def __getitem__(self, index: int) -> ImageRecord:
        record = super().__getitem__(index)
        return ImageRecord(record.name, render=record.render, encoded=bytes)


class RandomGrey(Grey):
    """Renders another grey each time."""

    def __call__(self) -> np.ndarray:
        return np.full((3, 8, 8), (next(COUNT) % 997) / 1000, dtype=np.float32)


class Changing(Rendered):
    """Changes its images."""

    def __getitem__(self, index: int) -> ImageRecord:
        return ImageRecord(f"grey-{index}", render=RandomGrey(0))


class Undistinguished(Rendered):
    """Has one fingerprint whatever it holds."""

    def fingerprint(self) -> str:
        return "the same"


class Incomplete(Rendered):
    """Leaves an image out of its order."""

    def order(self, epoch: int, seed: int) -> list[int]:
        return [0] * self.count


class SameNamesSource(Source):
    """Greys of one name."""

    domain = SameNames


class TwoThingsSource(Source):
    """Greys given twice."""

    domain = TwoThings


class ChangingSource(Source):
    """Greys that change."""

    domain = Changing


class UndistinguishedSource(Source):
    """Greys with one fingerprint."""

    domain = Undistinguished


class IncompleteSource(Source):
    """Greys whose order leaves one out."""

    domain = Incomplete


class Uneven(Source):
    """Says that its test images are aligned, and has more of one kind."""

    def test(self) -> tuple[Rendered, Rendered]:
        return self.domain(0.1, 2), self.domain(0.6, 3)


class Below(Schedule):
    """Falls below zero."""

    def __call__(self, step: int, steps: int, epoch_steps: int) -> float:
        return 1 - 2 * step / steps


class Remembering(Schedule):
    """Counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int, steps: int, epoch_steps: int) -> float:
        self.calls += 1
        return 1 / self.calls


class Column(Metric):
    """Returns a column."""

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        return super().__call__(translations, references)[:, None]


class Blurred(Metric):
    """Gives each image the mean of its batch."""

    def __call__(self, translations: Tensor, references: Tensor) -> Tensor:
        each = super().__call__(translations, references)
        return each.mean().expand_as(each)


class Undecided(Metric):
    """Says that neither higher nor lower is better, in a word of its own."""

    compares = "truth"
    better = "brighter"


class OfEachFeature(Levels):
    """Returns a number for each feature."""

    def __call__(self, made: Tensor, real: Tensor) -> Tensor:
        return (made.mean(0) - real.mean(0)).abs()


class Strict(Tracker):
    """Refuses what is not finite."""

    def record(self, step: int, values: Mapping[str, float]) -> None:
        if not all(np.isfinite(value) for value in values.values()):
            raise ValueError("not finite")
        super().record(step, values)


class Once(Tracker):
    """Begins anew in an empty folder alone."""

    def rewind(self, step: int) -> None:
        if step and self.file.exists() and "0.5" in self.file.read_text():
            raise FileExistsError(self.file)
        super().rewind(step)


class Loose(Schedule):
    """Takes whatever it is given."""

    def __init__(self, **options: Any) -> None:
        self.options = options


class Refusing(Schedule):
    """Refuses its own defaults."""

    def __init__(self) -> None:
        raise ValueError("not like this")


BROKEN: dict[str, tuple[str, Any]] = {
    "options-are-typed-and-documented": ("schedules", Undocumented),
    "can-be-pickled": ("schedules", Unpicklable),
    "keeps-height-and-width": ("generators", ThreeChannels),
    "stays-in-range": ("generators", Unbounded),
    "returns-one-map-of-logits-a-scale": ("discriminators", TwoChannels),
    "logits-are-finite": ("discriminators", BlindToWhite),
    "logits-have-no-bounds": ("discriminators", Squeezed),
    "images-of-a-batch-do-not-mix": ("generators", Mixing),
    "bf16-stays-finite": ("generators", Overflowing),
    "gradients-reach-every-parameter": ("generators", Idle),
    "gradients-agree-with-float64": ("generators", WronglyNormed),
    "is-decided-by-torchs-seed": ("generators", Counting),
    "draws-from-torch-alone": ("generators", Tossing),
    "evaluation-is-not-random": ("generators", Drawing),
    "state-survives-safetensors": ("generators", Secretive),
    "evaluation-changes-nothing": ("generators", Restless),
    "compiles": ("generators", Opaque),
    "published-tensors-give-an-equal-network": ("generators", Biasless),
    "strange-tensors-are-not-recognised": ("generators", Claiming),
    "adversarial-losses-are-scalars": ("adversarial_losses", Vector),
    "adversarial-losses-stay-finite": ("adversarial_losses", Underflowing),
    "adversarial-losses-point-the-right-way": ("adversarial_losses", Reversed),
    "the-penalty-is-a-scalar-that-teaches": ("adversarial_losses", Toothless),
    "distances-are-scalars": ("reconstruction_losses", DistanceOfEach),
    "distances-stay-finite": ("reconstruction_losses", Root),
    "equal-images-are-nearest": ("reconstruction_losses", Raised),
    "distances-agree-with-float64": ("reconstruction_losses", Coarse),
    "augmentations-have-a-role": ("augmentations", Roleless),
    "augmentations-keep-shape-and-type": ("augmentations", Widening),
    "augmentations-stay-in-range": ("augmentations", Glaring),
    "augmentations-leave-their-input-alone": ("augmentations", Overwriting),
    "augmentations-do-nothing-at-p-zero": ("augmentations", Insistent),
    "what-a-discriminator-sees-is-differentiable": ("augmentations", Cut),
    "what-adapts-keeps-its-state-in-buffers": ("augmentations", Forgetful),
    "domains-hold-images-with-names-of-their-own": ("sources", SameNamesSource),
    "records-hold-one-image": ("sources", TwoThingsSource),
    "records-do-not-change": ("sources", ChangingSource),
    "fingerprints-tell-domains-apart": ("sources", UndistinguishedSource),
    "aligned-tests-are-of-equal-length": ("sources", Uneven),
    "an-order-of-its-own-is-a-permutation": ("sources", IncompleteSource),
    "factors-are-numbers-that-are-not-negative": ("schedules", Below),
    "schedules-remember-nothing": ("schedules", Remembering),
    "metrics-give-a-number-an-image": ("metrics", Column),
    "metrics-say-what-they-compare": ("metrics", Undecided),
    "metrics-of-sets-give-one-number": ("metrics", OfEachFeature),
    "metrics-tell-good-from-bad": ("metrics", Blurred),
    "trackers-take-what-a-run-gives": ("trackers", Strict),
    "trackers-continue-what-another-process-wrote": ("trackers", Once),
}
"""For each check, the kind and the class of a component that breaks it alone."""

HOPELESS: dict[str, tuple[str, Any]] = {
    "can-be-built": ("schedules", Refusing),
    "unknown-options-are-refused": ("schedules", Loose),
}
"""Components that cannot even be built, so that other checks fail with this one."""
