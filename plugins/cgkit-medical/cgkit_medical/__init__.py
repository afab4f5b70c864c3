"""Volumes and images of medicine: DICOM, NIfTI and MetaImage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cgkit import hookimpl
from cgkit.registry import Registries

if TYPE_CHECKING:
    import click


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the formats and the source."""
    registries.formats.add(
        "dicom",
        "cgkit_medical.dicom.image_format:Dicom",
        summary="DICOM images with a single frame, and folders with the slices of a series.",
    )
    registries.formats.add("nifti", "cgkit_medical.nifti:Nifti", summary="NIfTI volumes, translated as a whole.")
    registries.formats.add(
        "metaimage", "cgkit_medical.metaimage:MetaImage", summary="MetaImage volumes of ITK, translated as a whole."
    )
    registries.sources.add("volumes", "cgkit_medical.source:Volumes", summary="Slices of volumes, split by patients.")


@hookimpl
def cgkit_commands(cli: click.Group) -> None:
    """Add `cgkit volumes`."""
    from cgkit_medical.commands import volumes

    cli.add_command(volumes)
