"""Monitor the health of training, using images that the run generates anyway."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.data.loading import Batch
from cgkit.engine.assembly import Assembly
from cgkit.engine.objective import logits_of
from cgkit.engine.trainer import Trainer
from cgkit.health import measuring
from cgkit.health.data import damaged, starved
from cgkit.health.flatness import Contrasts
from cgkit.health.notes import Note, keep, read_notes, rewind
from cgkit.health.observation import Circumstances, Observation
from cgkit.health.watch import Watch
from cgkit.runs.context import RunContext
from cgkit.runs.samples.images import SampleImages
from cgkit.spec import Spec
from cgkit.spec.images import in_words

COUNT = 16
"""The maximum number of training images, and of test images, that each discriminator judges."""

BATCH = 4


class HealthMonitor:
    """A watcher that applies the health rules whenever a sample sheet is drawn.

    It reuses the translations of the sheet. Only the discriminators run: on these translations and some real images.
    """

    name = "health"

    def __init__(self, context: RunContext, trainer: Trainer) -> None:
        self._context = context
        self._trainer = trainer
        self._images = context.measured_images(COUNT)
        self._circumstances = circumstances(context.spec, context.assembly, trainer.steps)
        self._watch = Watch(self._circumstances)
        self._contrasts = Contrasts()
        self._replaced: list[str] = []
        self._replaced_noted = 0

    def begin(self) -> None:
        """Discard earlier notes, and note the problems that can be detected before the first step."""
        self.rewind(-1)
        self._note(starved(self._circumstances))

    def step_finished(self, batches: Sequence[Batch]) -> None:
        """Measure the contrast of the images of a step, and remember which images were damaged."""
        for batch in batches:
            self._replaced = list(dict.fromkeys([*self._replaced, *batch.damaged]))
            self._contrasts.take("a", batch.real_a, batch.names_a)
            self._contrasts.take("b", batch.real_b, batch.names_b)

    def samples_drawn(self, images: SampleImages) -> None:
        """Apply the rules; warn of new problems, and write notes on them to `health.jsonl`."""
        observations = [self._observe(images, direction) for direction in images.translations]
        step = self._trainer.step_number
        self._note(self._contrasts.see(step) + self._watch.see(observations))
        if len(self._replaced) > self._replaced_noted:
            self._replaced_noted = len(self._replaced)
            self._note(damaged(self._context.left_out, self._replaced, step))

    def rewind(self, step: int) -> None:
        """Delete the notes of later steps, and note which images are left out if that is new."""
        folder = self._context.folder.path
        rewind(folder, step)
        known = [note.message for note in read_notes(folder)]
        left_out = damaged(self._context.left_out, step=max(step, 0))
        keep(folder, [note for note in left_out if note.message not in known])  # a warning was printed at the start

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, as JSON values."""
        contrasts, replaced = self._contrasts.state(), [self._replaced, self._replaced_noted]
        return {"watch": self._watch.state(), "contrasts": contrasts, "damaged": replaced}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self._watch.load(state["watch"])
        self._contrasts.load(state["contrasts"])
        self._replaced, self._replaced_noted = state.get("damaged", ([], 0))

    def _note(self, notes: Sequence[Note]) -> None:
        for note in notes:
            self._context.reporter.warning(in_words(str(note), self._context.labels))
        keep(self._context.folder.path, notes)

    @torch.inference_mode()
    def _observe(self, images: SampleImages, direction: str) -> Observation:
        source, target = (images.tests["ab".index(side)] for side in (direction[0], direction[-1]))
        translations = images.translations[direction]
        aligned = self._images.aligned
        least = min(measuring.diversity(source), measuring.diversity(target))
        separation, remembered, overfitting = self._judge(direction, translations)
        same_channels = source.shape[1] == target.shape[1]
        return Observation(
            step=self._trainer.step_number,
            direction=direction,
            agreement=measuring.luminance_agreement(source, translations),
            true_agreement=measuring.luminance_agreement(source, target) if aligned else None,
            diversity=measuring.diversity(translations) / max(least, 1e-6),
            change=measuring.change(source, translations, target) if same_channels else None,
            separation=separation,
            remembered=remembered,
            overfitting=overfitting,
        )

    def _judge(self, direction: str, translations: Tensor) -> tuple[float | None, float | None, float | None]:
        """Return separation, remembered and overfitting of the target domain's discriminator (see `Observation`)."""
        weights = self._trainer.objective.weights.adversarial
        if not (weights.a2b if direction == "a2b" else weights.b2a):
            return None, None, None
        side = direction[-1]
        fake_logits = self._logits(side, torch.split(translations, BATCH), real=False)
        test_logits = self._logits(side, self._images.of("test", side).batches(BATCH), real=True)
        separation = measuring.separation(test_logits, fake_logits)
        if not self._images.held_out["ab".index(side)]:
            return separation, None, None
        train_logits = self._logits(side, self._images.of("train", side).batches(BATCH), real=True)
        train, test, fake = (_average_by_image(logits) for logits in (train_logits, test_logits, fake_logits))
        return separation, measuring.separation([train], [test]), measuring.overfitting(train, test, fake)

    def _logits(self, side: str, batches: Iterable[Tensor], *, real: bool) -> list[Tensor]:
        """Return a discriminator's logits for images in [0, 1], one tensor for each scale, on the CPU."""
        precision = self._trainer.precision
        # This is a copy, because a discriminator may remember the images that it judges.
        discriminator = _copy(self._trainer.model.discriminators[side]).eval()
        with precision.autocast():
            logits = [
                logits_of(discriminator, batch.to(precision.device, precision.dtype) * 2 - 1, real=real, learning=False)
                for batch in batches
            ]
        return [torch.cat(scale).float().cpu() for scale in zip(*logits, strict=True)]


def circumstances(spec: Spec, assembly: Assembly, steps: int) -> Circumstances:
    """Return the facts that the advice of the health rules depends on."""
    domain_a, domain_b = assembly.source.train()
    augmented = len(assembly.objective.adversarial.augmentations) > 0
    return Circumstances(spec, steps, (len(domain_a), len(domain_b)), augmented)


def _copy(network: nn.Module) -> nn.Module:
    """Return a copy of a network, even if `torch.nn.utils.spectral_norm` has left a computed weight in it."""
    computed = {
        id(value): value.detach().clone()
        for module in network.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    return copy.deepcopy(network, computed)


def _average_by_image(logits: list[Tensor]) -> Tensor:
    """Return one logit for each image: the mean over positions and scales."""
    return torch.stack([scale.flatten(1).mean(1) for scale in logits]).mean(0)
