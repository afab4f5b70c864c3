"""What a run looks at to tell whether it goes as it should, and where it says so."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cgkit.data.loading import Batch
from cgkit.engine.assembly import Assembly
from cgkit.runs.samples import Look
from cgkit.engine.objective import logits_of
from cgkit.data.pixel_formats import pixel_formats
from cgkit.runs.reporter import Reporter
from cgkit.runs.folder import RunFolder
from cgkit.engine.trainer import Trainer
from cgkit.evaluation.images import MeasuredImages
from cgkit.health import measuring
from cgkit.health.data import starved
from cgkit.health.flatness import Contrasts
from cgkit.health.notes import Note, keep, rewind
from cgkit.health.observation import Circumstances, Observation
from cgkit.health.watch import Watch
from cgkit.registry import describe_exception
from cgkit.spec import Spec

COUNT = 16
"""How many training and test images of each domain the discriminators are shown."""

BATCH = 4


class Checkup:
    """Looks at a training whenever a sheet of test images is drawn.

    It takes the translations of the sheet, and shows both discriminators some real images beside them: no more is
    computed. Where it cannot, because a discriminator takes only batches of one size, or the disk is full, it says so
    and the run goes on.
    """

    def __init__(self, spec: Spec, assembly: Assembly, trainer: Trainer, folder: RunFolder, reporter: Reporter) -> None:
        self._trainer = trainer
        self._folder = folder
        self._reporter = reporter
        images = MeasuredImages(assembly.source, pixel_formats(spec.data), assembly.preparation, COUNT)
        self._images = images
        self._known = circumstances(spec, assembly, trainer.steps)
        self._watch = Watch(self._known)
        self._contrasts = Contrasts()
        self._failed = False

    def begin(self) -> None:
        """Note what is known before the first step."""
        self.rewind(-1)
        self._say(lambda: starved(self._known))

    def pass_by(self, batches: Sequence[Batch]) -> None:
        """Look at the images of a step in passing."""
        for batch in batches:
            self._contrasts.take("a", batch.real_a, batch.names_a)
            self._contrasts.take("b", batch.real_b, batch.names_b)

    def take(self, look: Look) -> None:
        """Judge what was looked at, warn of what is new, and keep it."""

        def noted() -> list[Note]:
            observations = [self._observe(look, "a2b"), self._observe(look, "b2a")]
            return self._contrasts.see(self._trainer.step_number) + self._watch.see(observations)

        self._say(noted)

    def _say(self, noted: Callable[[], list[Note]]) -> None:
        if self._failed:
            return
        try:
            notes = noted()
            for note in notes:
                self._reporter.warning(str(note))
            keep(self._folder.path, notes)
        except Exception as error:  # noqa: BLE001 - what only looks on never stops a run
            self._failed = True
            self._reporter.warning(f"the training's health is not watched any more: {describe_exception(error)}")

    def rewind(self, step: int) -> None:
        """Forget what was noted after a step."""
        try:
            rewind(self._folder.path, step)
        except OSError as error:
            self._reporter.warning(f"notes of later steps stay in health.jsonl: {error}")

    def state(self) -> dict[str, Any]:
        """Return what `load` takes, as JSON values."""
        return {"watch": self._watch.state(), "contrasts": self._contrasts.state()}

    def load(self, state: Mapping[str, Any] | None) -> None:
        """Know again what was known when a checkpoint was saved."""
        if state is not None:
            self._watch.load(state["watch"])
            self._contrasts.load(state["contrasts"])

    @torch.inference_mode()
    def _observe(self, look: Look, way: str) -> Observation:
        source, target = (look.tests["ab".index(side)] for side in (way[0], way[-1]))
        made = look.translations[way]
        aligned = self._images.aligned
        least = min(measuring.diversity(source), measuring.diversity(target))
        separation, remembered, overfitting = self._judged(way, made)
        return Observation(
            step=self._trainer.step_number,
            direction=way,
            agreement=measuring.luminance_agreement(source, made),
            true_agreement=measuring.luminance_agreement(source, target) if aligned else None,
            diversity=measuring.diversity(made) / max(least, 1e-6),
            change=measuring.change(source, made, target) if source.shape[1] == target.shape[1] else None,
            separation=separation,
            remembered=remembered,
            overfitting=overfitting,
        )

    def _judged(self, way: str, made: Tensor) -> tuple[float | None, float | None, float | None]:
        """Return what the target's discriminator shows of itself: separation, remembered, overfitting."""
        weights = self._trainer.objective.weights.adversarial
        if not (weights.a2b if way == "a2b" else weights.b2a):
            return None, None, None
        side = way[-1]
        made_logits = self._logits(side, torch.split(made, BATCH), real=False)
        test_logits = self._logits(side, self._images.of("test", side).batches(BATCH), real=True)
        separation = measuring.separation(test_logits, made_logits)
        if not self._images.held_out["ab".index(side)]:
            return separation, None, None
        train_logits = self._logits(side, self._images.of("train", side).batches(BATCH), real=True)
        train, test, fake = (_by_image(logits) for logits in (train_logits, test_logits, made_logits))
        return separation, measuring.separation([train], [test]), measuring.overfitting(train, test, fake)

    def _logits(self, side: str, batches: Any, *, real: bool) -> list[Tensor]:
        """Return a discriminator's logits of images in [0, 1], by scale, on the CPU."""
        # Of a copy: whatever a discriminator keeps of what it is shown, a look must leave no trace in the training.
        discriminator, precision = (
            copy.deepcopy(self._trainer.model.discriminators[side]).eval(),
            self._trainer.precision,
        )
        with precision.autocast():
            judged = [
                logits_of(discriminator, batch.to(precision.device, precision.dtype) * 2 - 1, real=real, learning=False)
                for batch in batches
            ]
        return [torch.cat(scale).float().cpu() for scale in zip(*judged, strict=True)]


def circumstances(spec: Spec, assembly: Assembly, steps: int) -> Circumstances:
    """Return what advice depends on."""
    domain_a, domain_b = assembly.source.train()
    augmented = len(assembly.objective.parts["augmentations_a"]) > 0  # type: ignore[arg-type]
    return Circumstances(spec, steps, (len(domain_a), len(domain_b)), augmented)


def _by_image(logits: list[Tensor]) -> Tensor:
    """Return one logit an image: the mean over places and scales."""
    return torch.stack([scale.flatten(1).mean(1) for scale in logits]).mean(0)
