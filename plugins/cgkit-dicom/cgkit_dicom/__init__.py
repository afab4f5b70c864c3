"""DICOM images."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the format."""
    registries.formats.add("dicom", "cgkit_dicom.dicom:Dicom")
