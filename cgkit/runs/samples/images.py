"""The sample sheets of a run: the same test images in every sheet, translated in each trained direction."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from PIL import Image
from torch import Tensor

from cgkit.data.loading import batch_of_tests
from cgkit.engine.trainer import Trainer
from cgkit.images.sheet import Column, Sheet
from cgkit.models.inference import translations_by
from cgkit.runs.context import RunContext


@dataclass(frozen=True)
class SampleImages:
    """The images of one sample sheet, `(N, C, H, W)` in [0, 1].

    Attributes:
        tests: the test images of domain a and of domain b.
        translations: their translations, by trained direction.
        reconstructions: the translations translated back, by direction; empty if only one direction is trained.
    """

    tests: tuple[Tensor, Tensor]
    translations: Mapping[str, Tensor]
    reconstructions: Mapping[str, Tensor]


class Samples:
    """Translates the first test images with the generators' moving average or, if there is none, the generators."""

    def __init__(self, context: RunContext, trainer: Trainer) -> None:
        self._context = context
        self._trainer = trainer
        self._drawn = time.monotonic()

    def are_overdue(self, step: int) -> bool:
        """Return whether a sheet is due between those of `samples.every`: after step 1, and after `samples.minutes`."""
        return step == 1 or time.monotonic() - self._drawn >= 60 * self._context.spec.samples.minutes

    def draw(self) -> SampleImages:
        """Translate the test images in each trained direction; if both are trained, translate them back."""
        self._drawn = time.monotonic()
        translate = translations_by(self._trainer.best_generators, self._trainer.precision)
        tests = dict(zip("ab", self._tests, strict=True))
        translations = {direction: call(tests[direction[0]]) for direction, call in translate.items()}
        back = {}
        for direction, opposite in (("a2b", "b2a"), ("b2a", "a2b")):
            if direction in translate and opposite in translate:
                back[direction] = translate[opposite](translations[direction])
        return SampleImages(self._tests, translations, back)

    def sheet(self, images: SampleImages) -> Sheet:
        """Arrange the images in a sheet, including the ground truth if the test split is aligned."""
        source = self._context.assembly.source
        names = {
            side: tuple(domain[index].name for index in range(len(tests)))
            for side, domain, tests in zip("ab", source.test(), images.tests, strict=True)
        }
        digest = self._context.evaluation_images.digest
        domains = self._context.spec.data.names or ("a", "b")
        return sample_sheet(images, aligned=bool(source.aligned), names=names, digest=digest, domains=domains)

    @cached_property
    def _tests(self) -> tuple[Tensor, Tensor]:
        context, count = self._context, self._context.spec.samples.count
        domains, pixels, preparations = (
            context.assembly.source.test(),
            context.pixels,
            context.assembly.test_preparations,
        )
        return (
            batch_of_tests(domains[0], pixels[0], preparations[0], count),
            batch_of_tests(domains[1], pixels[1], preparations[1], count),
        )


def sample_sheet(
    images: SampleImages,
    *,
    aligned: bool,
    names: Mapping[str, tuple[str, ...]],
    digest: str = "",
    domains: tuple[str, str] = ("a", "b"),
) -> Sheet:
    """Return a sheet with one row for each test image.

    Each trained direction has the columns source, translation, ground truth (if the test split is aligned) and
    reconstruction (if both directions are trained).

    Args:
        images: the test images, translations and reconstructions.
        aligned: whether the n-th test images of both domains show the same scene.
        names: the names of the test images, by domain.
        digest: a hash that identifies the test images; empty if unknown.
        domains: what domains a and b are called.
    """
    columns: list[Column] = []
    for direction, sources, truths in (("a2b", *images.tests), ("b2a", *images.tests[::-1])):
        if direction not in images.translations:
            continue
        columns += [
            _column(direction, "source", sources),
            _column(direction, "translation", images.translations[direction]),
        ]
        if aligned:
            columns.append(_column(direction, "truth", truths))
        if direction in images.reconstructions:
            columns.append(_column(direction, "back", images.reconstructions[direction]))
    return Sheet(tuple(replace(column, domains=domains) for column in columns), names, digest)


def _column(direction: str, role: str, images: Tensor) -> Column:
    return Column(direction, role, tuple(map(_to_picture, images)))


def _to_picture(image: Tensor) -> Image.Image:
    """Return an image as RGB: its first three channels or, if it has fewer, the first one as grey."""
    levels = image.float().clamp(0, 1).mul(255).round().byte().cpu()
    shown = levels[:3] if len(levels) >= 3 else levels[:1].expand(3, -1, -1)
    return Image.fromarray(shown.permute(1, 2, 0).contiguous().numpy())
