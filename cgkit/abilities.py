"""Typed access to the optional attributes and methods of components, which `cgkit.contracts` defines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cgkit.contracts import Domain, ExportedDirection, ImageRecord, Metric, ModelFacts, ObjectKind, Recognised, Size


def stride_of(generator: object) -> int:
    """Return the number that the height and width of a generator's images must be multiples of."""
    stride = getattr(generator, "stride", 1)
    return stride if isinstance(stride, int) else 1  # the stride of a subclass of `nn.Conv2d` is a tuple


def initialises_itself(module: object) -> bool:
    """Return whether a network, or a part of one, keeps its own initial weights."""
    return bool(getattr(module, "initialises_itself", False))


def initialiser_of(component: object) -> Callable[[], object] | None:
    """Return the method that gives a component its first weights in a new run; None if it has no such method."""
    return cast("Callable[[], object] | None", getattr(component, "initialise", None))


def is_saved(module: nn.Module) -> bool:
    """Return whether checkpoints contain the tensors of a module; not if it declares `saved = False`."""
    return bool(getattr(module, "saved", True))


def mixes_samples(network: nn.Module) -> bool:
    """Return whether a network's output for one image depends on the other images of the batch.

    Batch norm in training mode is detected; other modules declare the dependence with `mixes_samples = True`.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    return any(
        getattr(module, "mixes_samples", False) or (isinstance(module, _BatchNorm) and module.training)
        for module in network.modules()
    )


def works_in_channels_last(network: nn.Module) -> bool:
    """Return whether a network converts its input to channels_last on a GPU and has fast layers for it.

    That is the case if one of its modules declares `channels_last = True`.
    """
    return any(getattr(module, "channels_last", False) for module in network.modules())


def remembers_images(discriminator: object) -> bool:
    """Return whether a discriminator stores information about images and is called with `real` and `learning`."""
    return bool(getattr(discriminator, "remembers_images", False))


def wants_real_logits(loss: object) -> bool:
    """Return whether the generator's adversarial loss also needs the logits of real images."""
    return bool(getattr(loss, "wants_real_logits", False))


def penalty_of(loss: object) -> Callable[[nn.Module, Tensor, Tensor], Tensor] | None:
    """Return the method that computes a loss's penalty, such as a gradient penalty; None if the loss has none."""
    return cast("Callable[[nn.Module, Tensor, Tensor], Tensor] | None", getattr(loss, "penalty", None))


def features_of(generator: object) -> Callable[[Tensor], list[Tensor]] | None:
    """Return the method that computes a generator's feature maps of images; None if the generator has none."""
    return cast("Callable[[Tensor], list[Tensor]] | None", getattr(generator, "features", None))


def needs_of(term: object) -> tuple[str, ...]:
    """Return the names of what a term of the objective is computed from; empty if the term declares nothing."""
    return tuple(getattr(term, "needs", ()))


def is_trained(term: object) -> bool:
    """Return whether the optimiser of the generators trains a term's own parameters."""
    return bool(getattr(term, "trained", False))


def preparer_of(term: object) -> Callable[[nn.Module, Tensor], object] | None:
    """Return the method that prepares a term for a generator; None if the term has no such method."""
    return cast("Callable[[nn.Module, Tensor], object] | None", getattr(term, "prepare", None))


def is_geometric(augmentation: object) -> bool:
    """Return whether an augmentation only moves pixels, so that it also applies to masks, labels and partners."""
    return role_of(augmentation) == "framing" or bool(getattr(augmentation, "geometric", False))


def tracker_method(
    tracker: object, name: Literal["start", "samples", "checkpoint", "finish"]
) -> Callable[..., object] | None:
    """Return an optional method of a tracker; None if the tracker does not have it."""
    return cast("Callable[..., object] | None", getattr(tracker, name, None))


def observer_of(augmentation: object) -> Callable[[Sequence[Tensor]], object] | None:
    """Return the method by which an augmentation observes the logits of real images; None if it has no such method."""
    return cast("Callable[[Sequence[Tensor]], object] | None", getattr(augmentation, "observe", None))


def draws_of(augmentation: object) -> Callable[[int], Tensor] | None:
    """Return the method that draws all random numbers of an augmentation for a batch; None if it has no such method."""
    return cast("Callable[[int], Tensor] | None", getattr(augmentation, "draw", None))


def role_of(augmentation: object) -> str | None:
    """Return the role of an augmentation; None if the augmentation declares none."""
    return cast("str | None", getattr(augmentation, "role", None))


def smallest_image(framing: object, size: Size) -> Size:
    """Return the smallest `(height, width)` of the images that a framing can transform to `size`."""
    smallest = getattr(framing, "smallest", None)
    return (1, 1) if smallest is None else cast("Size", smallest(size))


def scaler_of(framing: object) -> Callable[[Size, Size], Size] | None:
    """Return the method that computes to which size a framing scales images; None if the framing has no such method."""
    return cast("Callable[[Size, Size], Size] | None", getattr(framing, "scaled_size", None))


def domain_names_of(source: object) -> tuple[str, str] | None:
    """Return what a source calls its domains; None if it has no names for them."""
    names = getattr(source, "names", None)
    return None if names is None else (str(names[0]), str(names[1]))


def ignored_by(source: object) -> Mapping[str, str]:
    """Return the files that a source does not take for images, as text by folder; empty if it declares none."""
    return dict(getattr(source, "ignored", {}))


def objects_of(source: object) -> Sequence[ObjectKind]:
    """Return the kinds of objects whose places in test images a source knows; empty if it knows none."""
    return tuple(getattr(source, "objects", ()))


def order_of(domain: object) -> Callable[[int, int], Sequence[int]] | None:
    """Return the method that determines the order of a domain's images in an epoch; None if the domain has none."""
    return cast("Callable[[int, int], Sequence[int]] | None", getattr(domain, "order", None))


def paths_of(domain: Domain | Sequence[ImageRecord]) -> Iterable[str | None]:
    """Return the paths of a domain's files, in the order of the indices; None for an image that is not a file."""
    own = getattr(domain, "paths", None)
    if own is not None:
        return cast("Iterable[str]", own())
    return (None if path is None else str(path) for path in (domain[index].path for index in range(len(domain))))


def compared_by(metric: object) -> str:
    """Return what a metric compares: `truth`, `source`, `cycle`, `objects` or `domain`."""
    return str(getattr(metric, "compares", "truth"))


def better_of(metric: Metric) -> Literal["higher", "lower"] | None:
    """Return whether `higher` or `lower` values of a metric are better; None if neither are."""
    return cast('Literal["higher", "lower"] | None', getattr(metric, "better", None))


def combiner_of(metric: object) -> Callable[[Tensor], Tensor] | None:
    """Return the method by which a metric turns the rows of all images into its score; None if that is their mean."""
    return cast("Callable[[Tensor], Tensor] | None", getattr(metric, "combine", None))


def extractor_of(metric: object) -> str | None:
    """Return the description of a metric's feature extractor; None if the metric has none."""
    extractor = getattr(metric, "extractor", None)
    return None if extractor is None else str(extractor)


def enough_images(metric: object) -> int:
    """Return the number of images above which a metric hardly depends on their number; 0 if it declares none."""
    return int(getattr(metric, "enough", 0))


def is_lossy(file_format: object) -> bool:
    """Return whether a format changes the pixels that it writes."""
    return bool(getattr(file_format, "lossy", False))


def recommended_options(component: object, size: Size) -> dict[str, Any]:
    """Return the options that a component recommends for images of `size`, or an empty dictionary."""
    recommended = getattr(component, "recommended", None)
    return {} if recommended is None else dict(recommended(size))


def recogniser_of(component: object) -> Callable[[Mapping[str, Tensor]], Recognised | None] | None:
    """Return a generator's function that recognises its tensors in a file; None if the generator has none."""
    return cast("Callable[[Mapping[str, Tensor]], Recognised | None] | None", getattr(component, "recognise", None))


def publisher_of(generator: object) -> Callable[[], Mapping[str, Tensor]] | None:
    """Return a generator's method that returns its tensors by published name; None if the generator has none."""
    return cast("Callable[[], Mapping[str, Tensor]] | None", getattr(generator, "published_tensors", None))


def writes_any_size(exporter: object) -> bool:
    """Return whether an exporter's files translate images of any number and size, not only of the example's shape."""
    return bool(getattr(exporter, "any_size", True))


def loader_of(exporter: object) -> Callable[[Path], Callable[[Tensor], Tensor]] | None:
    """Return the method by which an exporter loads its files; None if the exporter has none."""
    return cast("Callable[[Path], Callable[[Tensor], Tensor]] | None", getattr(exporter, "load", None))


def annotator_of(exporter: object) -> Callable[[Path, Mapping[str, str]], None] | None:
    """Return the method by which an exporter stores notes in its files; None if the exporter has none."""
    return cast("Callable[[Path, Mapping[str, str]], None] | None", getattr(exporter, "annotate", None))


def limit_of(exporter: object) -> float:
    """Return the largest difference, in [0, 1], that an exporter accepts between its files and the network.

    The default is about a fortieth of the step between two 8-bit values.
    """
    return float(getattr(exporter, "limit", 1e-4))


def advice_of(exporter: object) -> str | None:
    """Return what an exporter advises if a file differs by more than its limit; None if it advises nothing."""
    return cast("str | None", getattr(exporter, "advice", None))


def assembler_of(exporter: object) -> Callable[[Sequence[ExportedDirection], ModelFacts, Path], None] | None:
    """Return the method by which an exporter writes a file for a whole model; None if it writes one direction."""
    return cast(
        "Callable[[Sequence[ExportedDirection], ModelFacts, Path], None] | None", getattr(exporter, "assemble", None)
    )
