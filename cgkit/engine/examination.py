"""What a run does with its test images: sheets to look at, and scores."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image
from torch import Tensor, nn

from cgkit.data.loading import batch_of_tests
from cgkit.engine.assembly import Assembly
from cgkit.engine.inference import translations_by
from cgkit.engine.precision import Precision
from cgkit.engine.samples import sample_sheet
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
        images = MeasuredImages(assembly.source, spec.data.channels, assembly.preparation, spec.evaluation.count)
        self._scoring = Scoring(images, spec.evaluation.seed, report)

    def sheet(self) -> Image.Image:
        """Return the sheet of the first test images in both directions."""
        images = self._test_images(self._spec.samples.count)
        return sample_sheet(images, self._translations, aligned=self._assembly.source.aligned)

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
