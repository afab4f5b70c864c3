"""Convert pictures with an ICC colour profile to the sRGB colour space."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

from PIL import Image, ImageCms

_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE  # LittleCMS's cache is not thread-safe


def to_srgb(picture: Image.Image) -> Image.Image:
    """Convert an 8-bit RGB, RGBA or CMYK picture with a colour profile to sRGB; return other pictures unchanged.

    A picture without a profile is assumed to be in sRGB. An unusable profile is ignored, as in web browsers.
    """
    profile = picture.info.get("icc_profile")
    if not isinstance(profile, bytes) or picture.mode not in ("RGB", "RGBA", "CMYK"):
        return picture
    transform = _build_transform(profile, picture.mode)
    if transform is None:
        return picture
    converted: Image.Image = transform.apply(picture)
    return converted


@lru_cache(maxsize=16)
def _build_transform(profile: bytes, mode: str) -> Any:
    """Return the transform to sRGB, or None if the profile is unusable or already sRGB."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(opened):
            return None
        return ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB" if mode == "CMYK" else mode,
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            _FLAGS,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
