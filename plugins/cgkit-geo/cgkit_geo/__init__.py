"""Geographic images: GeoTIFF, JPEG 2000 and VRT, and scenes larger than memory."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the formats. `geo` comes first: if a spec names it, it translates large GeoTIFFs, with its options."""
    registries.formats.add("geo", "cgkit_geo.formats:Geo")
    registries.formats.add("scene", "cgkit_geo.formats:Scene")
