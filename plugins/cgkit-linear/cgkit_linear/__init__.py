"""The smallest plugin: one generator, registered by name so that listing it does not import torch."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the generator."""
    registries.generators.add("linear", "cgkit_linear.generator:LinearGenerator", summary="A linear map of colours.")
