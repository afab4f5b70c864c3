"""What a spec says of each domain's images, in the terms of what reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping

from cgkit.errors import Problem, SpecError
from cgkit.images.pixels import PixelFormat
from cgkit.spec import Spec
from cgkit.spec.images import Data, Depths, unheld


def pixel_formats(data: Data) -> tuple[PixelFormat, PixelFormat]:
    """Return what the images of domain a and of domain b are like."""
    a, b = (
        PixelFormat(
            channels=channels,
            range=span,
            depth=depth or "uint8",
            alpha=data.alpha,
            background=data.background,
            pages=data.pages == "bands",
            array=data.array,
        )
        for channels, span, depth in zip(
            data.channels, (data.range.a, data.range.b), (data.depth.a, data.depth.b), strict=True
        )
    )
    return a, b


def with_depths(spec: Spec, found: Mapping[str, str | None]) -> Spec:
    """Return a spec that says in which depth translations are written: where it did not, in that of a domain's files.

    Args:
        spec: the resolved spec.
        found: the depth of the files of `a` and of `b`, where there are any.

    Raises:
        SpecError: values of that depth cannot be what the spec says that they range over.
    """
    data = spec.data
    depths = {side: getattr(data.depth, side) or depth for side, depth in found.items()}
    problems = [
        Problem(f"data.range.{side}", f"{problem}, and such are the files of domain {side}", f"say data.depth.{side}")
        for side, depth in depths.items()
        if depth is not None and (problem := unheld(depth, getattr(data.range, side))) is not None
    ]
    if problems:
        raise SpecError(problems)
    return spec.model_copy(update={"data": data.model_copy(update={"depth": Depths.model_validate(depths)})})
