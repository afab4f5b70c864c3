"""Log runs to MLflow: a tracker."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the tracker."""
    registries.trackers.add(
        "mlflow",
        "cgkit_mlflow.tracker:MLflow",
        summary="Spec, losses, scores, samples and outcome of a run in MLflow, with or without a server.",
    )
