"""Microscopy: stacks of ImageJ and OME-TIFF, and whole slides."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the formats and the sources. Slides come first: a slide of several channels is no stack."""
    registries.formats.add(
        "slide", "cgkit_microscopy.slide:Slide", summary="Whole slides: SVS, NDPI, and TIFF pyramids, in windows."
    )
    registries.formats.add(
        "stack", "cgkit_microscopy.stack:Stack", summary="OME-TIFF and ImageJ stacks, translated plane by plane."
    )
    registries.sources.add(
        "slides", "cgkit_microscopy.slide_source:Slides", summary="Windows of whole slides that show tissue."
    )
    registries.sources.add("stacks", "cgkit_microscopy.stack_source:Stacks", summary="Planes of stacks.")
