"""The optional abilities of components, each asked for in one typed place. `contracts` says what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cgkit.contracts import Metric, Recognised, Size


def stride_of(generator: object) -> int:
    """Return what the height and width of a generator's images must be multiples of."""
    return int(getattr(generator, "stride", 1))


def initialises_itself(network: object) -> bool:
    """Return whether a network keeps the initial weights it was built with."""
    return bool(getattr(network, "initialises_itself", False))


def mixes_samples(network: nn.Module) -> bool:
    """Return whether a network's output for one image depends on the other images of the batch.

    Batch norm in training mode does; other modules declare it with `mixes_samples = True`.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    return any(
        getattr(module, "mixes_samples", False) or (isinstance(module, _BatchNorm) and module.training)
        for module in network.modules()
    )


def remembers_images(discriminator: object) -> bool:
    """Return whether a discriminator keeps something of the images it sees, and wants to know what they are."""
    return bool(getattr(discriminator, "remembers_images", False))


def wants_real_logits(loss: object) -> bool:
    """Return whether the generator's adversarial loss also needs the logits of real images."""
    return bool(getattr(loss, "wants_real_logits", False))


def penalty_of(loss: object) -> Callable[[nn.Module, Tensor, Tensor], Tensor] | None:
    """Return the penalty of an adversarial loss, such as a gradient penalty; None if it has none."""
    return cast("Callable[[nn.Module, Tensor, Tensor], Tensor] | None", getattr(loss, "penalty", None))


def observer_of(augmentation: object) -> Callable[[Sequence[Tensor]], object] | None:
    """Return the method through which an adaptive augmentation sees the logits of real images; None if it has none."""
    return cast("Callable[[Sequence[Tensor]], object] | None", getattr(augmentation, "observe", None))


def role_of(augmentation: object) -> str | None:
    """Return the role of an augmentation; None if it declares none."""
    return cast("str | None", getattr(augmentation, "role", None))


def smallest_image(framing: object, size: Size) -> Size:
    """Return the smallest `(height, width)` that a framing can bring to a size."""
    smallest = getattr(framing, "smallest", None)
    return (1, 1) if smallest is None else cast("Size", smallest(size))


def order_of(domain: object) -> Callable[[int, int], Sequence[int]] | None:
    """Return the method that gives a domain's own order of images in an epoch; None if any order will do."""
    return cast("Callable[[int, int], Sequence[int]] | None", getattr(domain, "order", None))


def compared_by(metric: object) -> str:
    """Return what a metric compares translations with."""
    return str(getattr(metric, "compares", "truth"))


def better_of(metric: Metric) -> Literal["higher", "lower"] | None:
    """Return whether a metric's better values are higher or lower; None if neither."""
    return cast('Literal["higher", "lower"] | None', getattr(metric, "better", None))


def extractor_of(metric: object) -> str | None:
    """Return the description of what extracts a metric's features; None if it has none."""
    extractor = getattr(metric, "extractor", None)
    return None if extractor is None else str(extractor)


def enough_images(metric: object) -> int:
    """Return how many images a metric of sets needs to depend little on their number."""
    return int(getattr(metric, "enough", 0))


def recommended_options(component: object, size: Size) -> dict[str, Any]:
    """Return the options that a component recommends for images of a size; empty if it recommends none."""
    recommended = getattr(component, "recommended", None)
    return {} if recommended is None else dict(recommended(size))


def recogniser_of(component: object) -> Callable[[Mapping[str, Tensor]], Recognised | None] | None:
    """Return the function with which a generator recognises the tensors of a file; None if it has none."""
    return cast("Callable[[Mapping[str, Tensor]], Recognised | None] | None", getattr(component, "recognise", None))


def publisher_of(generator: object) -> Callable[[], Mapping[str, Tensor]] | None:
    """Return the method that gives a generator's tensors under their published names; None if it has none."""
    return cast("Callable[[], Mapping[str, Tensor]] | None", getattr(generator, "published_tensors", None))
