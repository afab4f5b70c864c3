"""Contrastive learning of patches (Park et al., 2020)."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the term of the objective."""
    registries.terms.add(
        "patch-nce",
        "cgkit_contrastive.patch_nce:PatchNCE",
        summary="Patches of a translation resemble the source's patches at the same place (Park et al., 2020).",
    )
