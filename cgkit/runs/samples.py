"""What a run does with its test images: sheets to look at, and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from torch import Tensor, nn
from cgkit.data.loading import batch_of_tests
from cgkit.engine.assembly import Assembly
from cgkit.models.inference import translations_by
from cgkit.data.pixel_formats import pixel_formats
from cgkit.engine.precision import Precision
from cgkit.runs.sample_sheet import Sheet
from cgkit.evaluation.gathering import Translate
from cgkit.evaluation.images import MeasuredImages
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.scoring import Scoring
from cgkit.spec import Spec
from collections.abc import Mapping
import torch
from PIL import Image
from torch import Tensor
from cgkit.runs.sample_sheet import Column, Sheet
from cgkit.evaluation.gathering import Translate






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




@torch.inference_mode()
def sample_sheet(
    tests: tuple[Tensor, Tensor],
    translate: Mapping[str, Translate],
    *,
    aligned: bool,
    names: Mapping[str, tuple[str, ...]],
    images: str = "",
) -> Sheet:
    """Return a sheet with one row a test image.

    The columns are source, translation and cycle, for both directions; with an aligned test split the truth follows
    the translation.

    Args:
        tests: test images of both domains, `(N, C, H, W)` in [0, 1].
        translate: both directions by name.
        aligned: whether the n-th images of both domains show the same scene.
        names: of the test images, by domain.
        images: a text that differs where the test images differ.
    """
    images_a, images_b = tests
    columns: list[Column] = []
    for forth, back, sources, truths in (("a2b", "b2a", images_a, images_b), ("b2a", "a2b", images_b, images_a)):
        translations = translate[forth](sources)
        columns += [_column(forth, "source", sources), _column(forth, "translation", translations)]
        if aligned:
            columns.append(_column(forth, "truth", truths))
        columns.append(_column(forth, "back", translate[back](translations)))
    return Sheet(tuple(columns), names, images)


def _column(direction: str, role: str, images: Tensor) -> Column:
    return Column(direction, role, tuple(map(_picture, images)))


def _picture(image: Tensor) -> Image.Image:
    """Return a grey or RGB picture; of other channel counts the first three are shown."""
    levels = image.float().clamp(0, 1).mul(255).round().byte().cpu()
    shown = levels[:3] if len(levels) >= 3 else levels[:1].expand(3, -1, -1)
    return Image.fromarray(shown.permute(1, 2, 0).contiguous().numpy())






