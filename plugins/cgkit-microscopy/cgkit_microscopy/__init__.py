"""Microscopy: stacks of ImageJ and OME-TIFF, and whole slides."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the formats."""
    registries.formats.add(
        "slide", "cgkit_microscopy.slide:Slide", summary="Whole slides: SVS, NDPI, and TIFF pyramids, in windows."
    )
    registries.formats.add(
        "stack", "cgkit_microscopy.stack:Stack", summary="OME-TIFF and ImageJ stacks, translated plane by plane."
    )
