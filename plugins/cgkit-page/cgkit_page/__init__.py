"""An exporter that writes a model as a web page, registered by name so that listing it does not import torch."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the exporter."""
    registries.exporters.add(
        "page",
        "cgkit_page.exporter:Page",
        summary="A web page that translates images in the browser, without a server and without a network.",
    )
