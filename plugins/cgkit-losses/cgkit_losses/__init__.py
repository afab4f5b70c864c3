"""Adversarial losses, distances that compare structure rather than pixels, and terms of the objective."""

from __future__ import annotations

from cgkit import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the losses."""
    registries.adversarial_losses.add(
        "relativistic-average",
        "cgkit_losses.relativistic_average:RelativisticAverageLoss",
        summary="Compares each logit with the mean logit of the opposite class (Jolicoeur-Martineau, 2018).",
    )
    registries.adversarial_losses.add(
        "softplus-r1",
        "cgkit_losses.softplus_r1:SoftplusR1Loss",
        summary="Logistic loss with a gradient penalty on real images (Mescheder et al., 2018).",
    )
    registries.reconstruction_losses.add(
        "self-similarity",
        "cgkit_losses.self_similarity:SelfSimilarityLoss",
        summary="Compares the layout of edges within each image, ignoring colours (after Zheng et al., 2021).",
    )
    registries.reconstruction_losses.add(
        "perceptual-random",
        "cgkit_losses.perceptual_random:PerceptualRandomLoss",
        summary="Distance between features of a random convolutional network; nothing to download.",
    )
    add = registries.terms.add
    add("perceptual", "cgkit_losses.terms.perceptual:Perceptual")
    add("total-variation", "cgkit_losses.terms.smoothness:TotalVariation")
    add("edges", "cgkit_losses.terms.edges:Edges")
    add("colour-preservation", "cgkit_losses.terms.colours:ColourPreservation")
    add("outside-mask", "cgkit_losses.terms.masks:OutsideMask")
    add("label-consistency", "cgkit_losses.terms.labels:LabelConsistency")
    add("paired-l1", "cgkit_losses.terms.pairs:PairedL1")
