"""The contracts of metrics and of trackers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from cgkit.contracts.images import ObjectKind


@dataclass(frozen=True)
class Cycle:
    """The input of a metric that evaluates cycles. All images are `(N, C, H, W)` in [0, 1].

    Attributes:
        sources: test images of one domain.
        translations: their translations.
        cycled: the reconstructions, that is, the translations translated back.
        back: the function that translates a batch of images in the opposite direction, with the generator in evaluation
            mode.
    """

    sources: Tensor
    translations: Tensor
    cycled: Tensor
    back: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Objects:
    """The objects that correct translations show.

    Attributes:
        references: the correct translations, `(N, C, H, W)` in [0, 1].
        labels: the number of the object that each pixel shows, or 0; int64 `(N, 1, H, W)`.
        kinds: the kinds of objects in both domains.
        side: the domain of the translations, `"a"` or `"b"`.
    """

    references: Tensor
    labels: Tensor
    kinds: Sequence[ObjectKind]
    side: Literal["a", "b"]


Compared = Literal["truth", "source", "cycle", "objects", "domain"]


class Metric(Protocol):
    """Built as `(*, options)`. Images are in [0, 1]. `compares` says how it is called; the default is `"truth"`.

    - `"truth"`: called as `(translations, references)`, two batches `(N, C, H, W)` of the same scenes; returns one
      number for each image, `(N,)`. Computed if the test images are aligned.
    - `"source"`: called as `(translations, sources)`; returns `(N,)`. Computed if both domains have the same channels.
    - `"cycle"`: called with a `Cycle`; returns one number for each image, `(N,)`.
    - `"objects"`: called as `(translations, objects)` with an `Objects`; returns `(N,)`. Computed if the source knows
      the objects in its test images.
    - `"domain"`: called as `(translations, real)` with the features of two sets of images, `(N, D)` and `(M, D)`, N and
      M at least 2; returns a scalar. A method `features(images)` turns `(N, C, H, W)` into `(N, D)`.

    Optional attributes and methods:
        combine(rows): for metrics of images whose score is not a mean. Calls then return one row per image, `(N, D)`,
            such as counts of pixels, and this method turns the rows of any number of images into the score, a scalar.
        better: `"higher"` or `"lower"`, depending on which values are better; None, the default, if neither are.
        extractor: a description of the feature extractor with its version or checksum, recorded with each score.
            Metrics with the same extractor share the features of every image.
        enough: for `"domain"`, the number of images in each set above which the result hardly depends on that number.
            With fewer images, the metric is still computed, but a warning is shown.
    """

    compares: Compared

    def __call__(self, *shown: Any) -> Tensor:
        """Return one number for each image, `(N,)`; for `"domain"`, a scalar."""


class Tracker(Protocol):
    """Built as `(folder, *, options)`, where `folder` is the `Path` of the run folder.

    Called from a separate thread while the run waits. If it raises, or exceeds `log.patience`, it is not called again.

    Optional methods:
        start(run): called first, with a `cgkit.hookspecs.RunView`; a checkpoint to resume from has been loaded.
        samples(step, file), checkpoint(step, folder): called for each sample sheet and each checkpoint.
        finish(error): called before `close`, like the hook `cgkit_run_finished`.
    """

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Record the values of a step by name."""

    def rewind(self, step: int) -> None:
        """Delete everything recorded after `step`, because the run resumes from the checkpoint of that step."""

    def close(self) -> None:
        """Write everything that is still buffered, and release all resources."""
