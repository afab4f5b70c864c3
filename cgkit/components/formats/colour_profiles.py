"""Convert pictures with an ICC colour profile to the sRGB colour space."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from cgkit.components.formats.optional_libraries import library

_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE  # LittleCMS's cache is not thread-safe
_SPACES = {"RGB": "RGB ", "RGBA": "RGB ", "CMYK": "CMYK", "L": "GRAY"}
"""The colour space that the profile of a picture must have, by the mode of the picture."""

_ALIKE = 1
"""The largest difference, in levels of 255, between the colours of sRGB and of a profile that is taken for sRGB."""


def to_srgb(picture: Image.Image) -> Image.Image:
    """Convert an 8-bit grey, RGB, RGBA or CMYK picture with a colour profile to sRGB; return others unchanged.

    A picture without a profile is assumed to be in sRGB. An unusable profile is ignored, as in web browsers. Profiles
    are judged by their colours, since their names are no guide: that of Display P3 may mention sRGB.
    """
    profile = picture.info.get("icc_profile")
    if not isinstance(profile, bytes) or picture.mode not in _SPACES:
        return picture
    transform = _build_transform(profile, picture.mode)
    if transform is None:
        return picture
    converted: Image.Image = transform.apply(picture)
    return converted.getchannel(0) if picture.mode == "L" else converted


def deep_to_srgb(values: NDArray[Any], profile: bytes | None) -> NDArray[Any]:
    """Convert 16-bit grey or RGB values `(H, W, 1 to 4)` with a colour profile to sRGB; alpha is kept.

    Raises:
        DataError: imagecodecs is needed, but not installed.
    """
    colours = 1 if values.shape[-1] < 3 else 3
    if not isinstance(profile, bytes) or _build_transform(profile, "L" if colours == 1 else "RGB") is None:
        return values
    codecs = library("imagecodecs", "16-bit colour with a colour profile")
    source = np.ascontiguousarray(values[..., :colours])
    converted = codecs.cms_transform(
        source[..., 0] if colours == 1 else source,
        profile,
        codecs.cms_profile("srgb"),
        colorspace="gray" if colours == 1 else "rgb",
        outcolorspace="rgb",
        intent=int(ImageCms.Intent.RELATIVE_COLORIMETRIC),
        flags=int(ImageCms.Flags.BLACKPOINTCOMPENSATION),
    )
    return np.concatenate([converted[..., :colours], values[..., colours:]], axis=-1)


@lru_cache(maxsize=16)
def _build_transform(profile: bytes, mode: str) -> Any:
    """Return the transform to sRGB, or None if the profile is unusable or means the colours of sRGB."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space != _SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGBA" if mode == "RGBA" else "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            _FLAGS,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return None if mode != "CMYK" and _keeps_colours(transform, mode) else transform


def _keeps_colours(transform: Any, mode: str) -> bool:
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    bands = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    grid = np.stack(np.meshgrid(*[levels] * min(bands, 3), indexing="ij"), -1).reshape(1, -1, min(bands, 3))
    if mode == "RGBA":
        grid = np.concatenate([grid, np.full_like(grid[..., :1], 255)], axis=-1)
    chart = Image.fromarray(grid[..., 0] if mode == "L" else np.ascontiguousarray(grid))
    seen = np.asarray(transform.apply(chart)).astype(int)[..., :3]
    return bool(np.abs(seen - grid[..., :3]).max() <= _ALIKE)
