"""Score the directions of a model on test images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cgkit.abilities import compared_by, enough_images, extractor_of, objects_of
from cgkit.contracts import Metric, Objects, Source
from cgkit.errors import CgkitError
from cgkit.evaluation.gathering import Accumulator, ImageAccumulator, SetAccumulator, Translate, TranslatedBatch
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.numbers import Number

BATCH = 8

NO_OBJECTS = "the source does not know the objects in its test images; seasons does with objects = true"
"""Why a metric of objects is not computed."""


@dataclass(frozen=True)
class Measured:
    """A metric, its name, and the options that affect its values."""

    name: str
    metric: Metric
    options: Mapping[str, Any]

    @property
    def compares(self) -> str:
        """What the metric compares translations with; see `cgkit.contracts.Metric`."""
        return compared_by(self.metric)

    def applies(self, source: Source, channels: tuple[int, int], *, both_directions: bool = True) -> bool:
        """Return whether the metric can be computed on the test images, with a model of one or of both directions."""
        if self.compares == "truth":
            return bool(source.aligned)
        if self.compares == "objects":
            return bool(objects_of(source))
        if self.compares == "cycle":
            return both_directions
        return self.compares != "source" or channels[0] == channels[1]


class Scoring:
    """Scores models on the same test images, and computes the features of real images only once.

    Args:
        images: the images to translate and to compare with.
        seed: the seed of all random draws, so that the same model always gets the same scores.
        report: called with one line for each metric that cannot be computed reliably or at all.
        progress: called with what is being done, such as "scoring test images: 24 of 200".
    """

    def __init__(
        self,
        images: MeasuredImages,
        seed: int,
        report: Callable[[str], None],
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._images = images
        self._seed = seed
        self._report = report
        self._progress = progress
        self._reported: set[str] = set()
        self._real_features: dict[tuple[str, str, str], Tensor] = {}

    def check(self, metrics: Sequence[Measured]) -> None:
        """Report the metrics that cannot be computed, because a package is missing or the source knows no objects."""
        for measured in metrics:
            if measured.applies(self._images.source, self._images.channels):
                with self._drop_on_error(measured.name, {}):
                    extractor_of(measured.metric)
            elif measured.compares == "objects":
                self._report_once(f"{measured.name} is not computed: {NO_OBJECTS}")

    @torch.inference_mode()
    def scores(self, translate: Mapping[str, Translate], metrics: Sequence[Measured]) -> tuple[Number, ...]:
        """Return the scores of each direction; metrics that do not apply or cannot be computed are left out.

        Args:
            translate: the translation functions of the directions to score.
            metrics: the metrics, in the order in which their scores are returned.
        """
        numbers = [number for way in translate for number in self._score(way, translate, metrics)]
        order = [measured.name for measured in metrics]
        return tuple(sorted(numbers, key=lambda number: order.index(number.name)))

    def _score(self, way: str, translate: Mapping[str, Translate], metrics: Sequence[Measured]) -> Iterator[Number]:
        source, target = way[0], way[-1]
        sources, references = self._images.of("test", source), self._images.of("test", target)
        facts, both = (self._images.source, self._images.channels), len(translate) == 2
        applying = [measured for measured in metrics if measured.applies(*facts, both_directions=both)]
        counting = any(measured.compares == "objects" for measured in applying)
        accumulators: dict[str, Accumulator] = {}
        for measured in applying:
            with self._drop_on_error(measured.name, accumulators):
                accumulators[measured.name] = self._create_accumulator(measured, way)
        for start in range(0, len(sources), BATCH):
            self._progress(f"scoring test images: {way}, {start} of {len(sources)}")
            indices = slice(start, start + BATCH)
            images = sources[indices]
            truths = references[indices] if self._images.aligned else None
            objects = self._objects(target, indices) if counting else None
            back = translate.get(f"{target}2{source}")
            batch = TranslatedBatch(start, images, translate[way](images), truths, objects, back)
            for name, accumulator in list(accumulators.items()):
                with self._drop_on_error(name, accumulators):
                    accumulator.add(batch)
        for name, accumulator in list(accumulators.items()):
            self._progress(f"scoring test images: {way}, {name}")
            with self._drop_on_error(name, accumulators):
                yield accumulator.compute()
        self._report_few_images([measured for measured in applying if measured.name in accumulators])

    def _objects(self, side: str, indices: slice) -> Objects:
        """Return the objects in test images of a domain."""
        images, kinds = self._images.of("test", side), objects_of(self._images.source)
        return Objects(images[indices], images.labels(indices), kinds, "a" if side == "a" else "b")

    def _report_few_images(self, metrics: Sequence[Measured]) -> None:
        count = min(len(self._images.of("test", side)) for side in "ab")
        for measured in metrics:
            enough = enough_images(measured.metric)
            if count < enough:
                self._report_once(
                    f"{measured.name} from {count} images is biased (it needs at least {enough}): "
                    "compare it only with its baselines, and with scores from the same number of images"
                )

    def _report_once(self, message: str) -> None:
        if message not in self._reported:
            self._reported.add(message)
            self._report(message)

    def _create_accumulator(self, measured: Measured, direction: str) -> Accumulator:
        name, metric, protocol = measured.name, measured.metric, self._describe_protocol(measured, direction)
        if measured.compares != "domain":
            return ImageAccumulator(name, metric, measured.compares, direction, self._seed, protocol)
        return SetAccumulator(name, metric, direction, self._seed, protocol, self._compute_real_features)

    def _describe_protocol(self, measured: Measured, direction: str) -> dict[str, Any]:
        images = self._images
        counts = {"n": len(images.of("test", direction[0]))}
        if measured.compares == "domain":
            counts["real"] = len(images.of("test", direction[-1]))
        return {
            **counts,
            "split": "test",
            "size": list(images.preparations[0].size),
            "resize": images.resize,
            "extractor": extractor_of(measured.metric),
            "seed": self._seed,
            "options": dict(measured.options),
            "images": images.digest,
        }

    def _compute_real_features(self, metric: Any, split: str, side: str) -> Tensor | None:
        """Return the features of a split, cached by extractor; None for a training split equal to the test split."""
        if split == "train" and not self._images.held_out["ab".index(side)]:
            return None
        key = (extractor_of(metric) or str(id(metric)), split, side)
        if key not in self._real_features:
            parts = [metric.features(batch) for batch in self._images.of(split, side).batches(BATCH)]
            self._real_features[key] = torch.cat(parts)
        return self._real_features[key]

    @contextmanager
    def _drop_on_error(self, name: str, accumulators: dict[str, Accumulator]) -> Iterator[None]:
        """If computing a metric fails, drop the metric and report the reason once."""
        try:
            yield
        except (CgkitError, ValueError) as error:
            accumulators.pop(name, None)
            self._report_once(f"{name} is not computed: {error}")
