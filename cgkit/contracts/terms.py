"""The contract of terms of the objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn


Generated = Literal["translation", "reconstruction", "identity"]
"""The generated images that a term may need; see `Given`."""

Extra = Literal["mask", "label", "partner"]
"""What a data set may know about an image; see `Given.extras`."""

Need = Literal["source", "target", Generated, Extra]
"""What a term may ask for; see `Given`."""


@dataclass(frozen=True)
class Given:
    """What a term of one direction is computed from; None for images that the term did not ask for.

    All images are float32 (or float64) batches `(N, C, H, W)` in [-1, 1]. For the direction `a2b`:

    Attributes:
        generator: the generator of the direction, G.
        source: real images of domain a.
        target: real images of domain b, which show other scenes.
        translation: G(source).
        reconstruction: the translation, translated back by the other generator.
        identity: G(target); it needs equal channels in both domains.
        extras: what the data set knows about the source images, framed and flipped with them: `mask`, `(N, 1, H, W)`
            in [0, 1]; `label`, class numbers, int64 `(N, 1, H, W)`; `partner`, the same scenes in domain b. For images
            without one, the values are 0.
        present: for each of the extras, whether an image has it: `(N,)`, 1 or 0.
    """

    generator: nn.Module
    source: Tensor
    target: Tensor
    translation: Tensor | None = None
    reconstruction: Tensor | None = None
    identity: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    present: Mapping[str, Tensor] = field(default_factory=dict)


class Term(Protocol):
    """An `nn.Module` built as `(*, options)`: a term that is added to the objective of the generators.

    Each direction whose weight is not 0 has its own instance, in every checkpoint. With bf16 precision, a term is
    called under autocast; disable autocast for sums that need float32. It may draw random numbers with torch; numbers
    drawn on the device of the images do not keep a step from running as a CUDA graph.

    Attributes:
        needs: what the term is computed from, by the names in `Given`; set in the class or in `__init__`. At least one
            must be a generated image: `translation`, `reconstruction` or `identity`. `source` and `target` are always
            given.

    Optional attribute:
        trained: true if the optimiser of the generators also trains the term's own parameters, such as those of a
            projection head. Otherwise they stay as they are.

    Optional method:
        prepare(generator, example): called once, before the optimisers exist, with a copy of the direction's generator
            in evaluation mode and a grey image of its source domain, zeros `(1, C, H, W)`. It may create the layers
            whose sizes depend on them. Raises `ValueError` if the term cannot be used with this generator.
    """

    needs: tuple[Need, ...]

    def __call__(self, given: Given, /) -> Tensor:
        """Return the term, a scalar, without its weight."""
