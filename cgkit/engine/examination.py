"""What a run does with its test images: sheets to look at, and scores."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from cgkit.data.loading import batch_of_tests
from cgkit.engine.assembly import Assembly
from cgkit.engine.inference import translations_by
from cgkit.engine.precision import Precision
from cgkit.engine.samples import sample_sheet
from cgkit.engine.sheets import Sheet
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.scoring import Scoring
from cgkit.spec import Spec


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
        self._images: dict[int, tuple[Tensor, Tensor]] = {}
        source, preparation = assembly.source, assembly.preparation
        self._measured = MeasuredImages(source, spec.data.channels, preparation, spec.evaluation.count)
        self._scoring = Scoring(self._measured, spec.evaluation.seed, report)

    def sheet(self) -> Sheet:
        """Return the sheet of the first test images in both directions."""
        count = self._spec.samples.count
        domains = dict(zip("ab", self._assembly.source.test(), strict=True))
        names = {
            side: tuple(domain[index].name for index in range(min(count, len(domain))))
            for side, domain in domains.items()
        }
        return sample_sheet(
            self._test_images(count),
            self._translations,
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
            channels_a, channels_b = self._spec.data.channels
            preparation = self._assembly.preparation
            self._images[count] = (
                batch_of_tests(domain_a, channels_a, preparation, count),
                batch_of_tests(domain_b, channels_b, preparation, count),
            )
        return self._images[count]
