"""An exporter that writes TorchScript files, registered by name so that listing it does not import torch."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the exporter."""
    registries.exporters.add(
        "torchscript",
        "cgkit_torchscript.exporter:TorchScript",
        summary="A TorchScript file, which C++, Java and mobile programs with libtorch read.",
    )
