"""Measuring both directions of a model on test images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cgkit.contracts import Metric
from cgkit.errors import CgkitError
from cgkit.evaluation.gathering import Gathering, ImageNumbers, SetNumber, Shown, Translate
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.numbers import Number

BATCH = 8


@dataclass(frozen=True)
class Measured:
    """A metric, what it is called, and the options that it was built with."""

    name: str
    metric: Metric
    options: Mapping[str, Any]
    """Those that its numbers depend on."""

    @property
    def compares(self) -> str:
        """With what it compares translations."""
        return str(getattr(self.metric, "compares", "truth"))

    def applies(self, *, aligned: bool, channels: tuple[int, int]) -> bool:
        """Return whether there is with such test images what it compares translations with."""
        if self.compares == "truth":
            return aligned
        return self.compares != "source" or channels[0] == channels[1]


class Scoring:
    """Scores models on the same test images; what is known of the real ones is computed once.

    Args:
        images: what to translate, and what to compare with.
        seed: of all draws: the same model has the same numbers.
        report: told, in one line, of each metric that cannot be computed, or not well.
    """

    def __init__(self, images: MeasuredImages, seed: int, report: Callable[[str], None]) -> None:
        self._images = images
        self._seed = seed
        self._report = report
        self._reported: set[str] = set()
        self._real_features: dict[tuple[str, str, str], Tensor] = {}

    @torch.inference_mode()
    def scores(self, translate: Mapping[str, Translate], metrics: Sequence[Measured]) -> tuple[Number, ...]:
        """Return what the metrics say of both directions; those that do not apply, or cannot be computed, are left out.

        Args:
            translate: both directions by name.
            metrics: in the order in which their numbers are wanted.
        """
        numbers = [number for way in ("a2b", "b2a") for number in self._direction(way, translate, metrics)]
        order = [one.name for one in metrics]
        return tuple(sorted(numbers, key=lambda number: order.index(number.name)))

    def _direction(self, way: str, translate: Mapping[str, Translate], metrics: Sequence[Measured]) -> Iterator[Number]:
        source, target = way[0], way[-1]
        sources, references = self._images.of("test", source), self._images.of("test", target)
        aligned, channels = self._images.aligned, self._images.channels
        applying = [one for one in metrics if one.applies(aligned=aligned, channels=channels)]
        gatherings: dict[str, Gathering] = {}
        for one in applying:
            with self._left_out_if_it_fails(one.name, gatherings):
                gatherings[one.name] = self._gathering(one, way)
        for start in range(0, len(sources), BATCH):
            places = slice(start, start + BATCH)
            batch = sources[places]
            truths = references[places] if aligned else None
            shown = Shown(start, batch, translate[way](batch), truths, translate[f"{target}2{source}"])
            for name, gathering in list(gatherings.items()):
                with self._left_out_if_it_fails(name, gatherings):
                    gathering.take(shown)
        for name, gathering in list(gatherings.items()):
            with self._left_out_if_it_fails(name, gatherings):
                yield gathering.number()
        self._tell_of_few_images([one for one in applying if one.name in gatherings], way)

    def _tell_of_few_images(self, measured: Sequence[Measured], way: str) -> None:
        there = min(len(self._images.of("test", side)) for side in (way[0], way[-1]))
        for one in measured:
            enough = getattr(one.metric, "enough", 0)
            if there < enough:
                self._tell(
                    f"{one.name} of {there} images says much of how few they are (below {enough}): "
                    "compare it with its two baselines, and with numbers of as many images"
                )

    def _tell(self, message: str) -> None:
        if message not in self._reported:
            self._reported.add(message)
            self._report(message)

    def _gathering(self, one: Measured, way: str) -> Gathering:
        protocol = self._protocol(one, way)
        if one.compares != "domain":
            return ImageNumbers(one.name, one.metric, one.compares, way, self._seed, protocol)
        return SetNumber(one.name, one.metric, way, self._seed, protocol, self._features_of_real)

    def _protocol(self, one: Measured, way: str) -> dict[str, Any]:
        images = self._images
        counts = {"n": len(images.of("test", way[0]))}
        if one.compares == "domain":
            counts["real"] = len(images.of("test", way[-1]))
        return {
            **counts,
            "split": "test",
            "size": list(images.preparation.size),
            "resize": images.resize,
            "extractor": getattr(one.metric, "extractor", None),
            "seed": self._seed,
            "options": dict(one.options),
            "images": images.digest,
        }

    def _features_of_real(self, metric: Any, split: str, side: str) -> Tensor | None:
        """Return the features of real images, which metrics of one extractor share; None where tests are no others."""
        if split == "train" and not self._images.held_out["ab".index(side)]:
            return None
        key = (str(getattr(metric, "extractor", id(metric))), split, side)
        if key not in self._real_features:
            parts = [metric.features(batch) for batch in self._images.of(split, side).batches(BATCH)]
            self._real_features[key] = torch.cat(parts)
        return self._real_features[key]

    @contextmanager
    def _left_out_if_it_fails(self, name: str, gatherings: dict[str, Gathering]) -> Iterator[None]:
        """Drop a metric that itself says why it cannot be computed, and report it once."""
        try:
            yield
        except (CgkitError, ValueError) as error:
            gatherings.pop(name, None)
            self._tell(f"{name} is not computed: {error}")
