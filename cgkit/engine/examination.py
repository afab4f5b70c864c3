"""What a run does with its test images: sheets to look at, and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from cgkit.data.loading import batch_of_tests
from cgkit.engine.assembly import Assembly
from cgkit.engine.inference import translations_by
from cgkit.engine.pixel_formats import pixel_formats
from cgkit.engine.precision import Precision
from cgkit.engine.samples import sample_sheet
from cgkit.engine.sheets import Sheet
from cgkit.evaluation.gathering import Translate
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.scoring import Scoring
from cgkit.spec import Spec


@dataclass(frozen=True)
class Look:
    """The first test images of both domains, and what they are translated to, by direction; all in [0, 1]."""

    tests: tuple[Tensor, Tensor]
    translations: Mapping[str, Tensor]


class Examination:
    """Shows the test images to some generators, whatever they have learned so far."""

    def __init__(
        self,
        spec: Spec,
        assembly: Assembly,
        generators: nn.ModuleDict,
        precision: Precision,
        report: Callable[[str], None],
    ) -> None:
        self._spec = spec
        self._assembly = assembly
        self._translations = translations_by(generators, precision)
        self._shown = {way: _Once(translate) for way, translate in self._translations.items()}
        self._images: dict[int, tuple[Tensor, Tensor]] = {}
        source, preparation = assembly.source, assembly.preparation
        self._measured = MeasuredImages(source, pixel_formats(spec.data), preparation, spec.evaluation.count)
        self._scoring = Scoring(self._measured, spec.evaluation.seed, report)

    def look(self) -> Look:
        """Translate the first test images with the generators as they are now."""
        images_a, images_b = self._test_images(self._spec.samples.count)
        for shown in self._shown.values():
            shown.forget()
        return Look((images_a, images_b), {"a2b": self._shown["a2b"](images_a), "b2a": self._shown["b2a"](images_b)})

    def sheet(self, look: Look) -> Sheet:
        """Return the sheet of what was looked at, in both directions and back."""
        domains = dict(zip("ab", self._assembly.source.test(), strict=True))
        names = {
            side: tuple(domains[side][index].name for index in range(len(tests)))
            for side, tests in zip("ab", look.tests, strict=True)
        }
        return sample_sheet(
            look.tests,
            self._shown,
            aligned=bool(self._assembly.source.aligned),
            names=names,
            images=self._measured.digest,
        )

    def scores(self) -> tuple[Number, ...]:
        """Return what the metrics that apply to the test images say."""
        return self._scoring.scores(self._translations, self._assembly.metrics)

    def _test_images(self, count: int) -> tuple[Tensor, Tensor]:
        if count not in self._images:
            domain_a, domain_b = self._assembly.source.test()
            pixels_a, pixels_b = pixel_formats(self._spec.data)
            preparation = self._assembly.preparation
            self._images[count] = (
                batch_of_tests(domain_a, pixels_a, preparation, count),
                batch_of_tests(domain_b, pixels_b, preparation, count),
            )
        return self._images[count]


class _Once:
    """A translation that is not computed again for the same images."""

    def __init__(self, translate: Translate) -> None:
        self._translate = translate
        self._known: tuple[Tensor, Tensor] | None = None

    def __call__(self, images: Tensor) -> Tensor:
        if self._known is not None and self._known[0] is images:
            return self._known[1]
        made = self._translate(images)
        if self._known is None:
            self._known = images, made
        return made

    def forget(self) -> None:
        self._known = None
