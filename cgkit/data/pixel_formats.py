"""Convert the image settings of a spec to the pixel format of each domain."""

from __future__ import annotations

from collections.abc import Mapping

from cgkit.errors import Problem, SpecError
from cgkit.images.pixels import PixelFormat
from cgkit.spec import Spec
from cgkit.spec.images import Data, Depths, unheld


def pixel_formats(data: Data) -> tuple[PixelFormat, PixelFormat]:
    """Return the pixel formats of domains a and b."""
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


def with_depths(spec: Spec, file_depths: Mapping[str, str | None]) -> Spec:
    """Return a spec in which each missing depth of translations is set to the depth of the domain's files.

    Args:
        spec: The resolved spec.
        file_depths: The depth of the files of each domain, `a` and `b`; None for a domain without files.

    Raises:
        SpecError: The depth of the files cannot store the declared range, or needs a range but none is declared.
    """
    data = spec.data
    depths = {side: getattr(data.depth, side) or depth for side, depth in file_depths.items()}
    problems = [
        Problem(
            f"data.range.{side}", f"{problem}, and the files of domain {side} are {depth}", f"declare data.depth.{side}"
        )
        for side, depth in depths.items()
        if depth is not None and (problem := unheld(depth, getattr(data.range, side))) is not None
    ]
    if problems:
        raise SpecError(problems)
    return spec.model_copy(update={"data": data.model_copy(update={"depth": Depths.model_validate(depths)})})
