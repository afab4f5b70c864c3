"""Optimisers from pytorch-optimizer."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the optimisers."""
    registries.optimizers.add("lion", "cgkit_optimizers.lion:lion")
    registries.optimizers.add("adabelief", "cgkit_optimizers.adabelief:adabelief")
