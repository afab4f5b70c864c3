"""More losses: two adversarial ones, and two distances that look at structure rather than at pixels."""

from __future__ import annotations

from cgkit.hookspecs import hookimpl
from cgkit.registry import Registries


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the losses."""
    registries.adversarial_losses.add(
        "relativistic-average",
        "cgkit_losses.relativistic_average:RelativisticAverageLoss",
        summary="How much more real than the average of the other kind (Jolicoeur-Martineau, 2018).",
    )
    registries.adversarial_losses.add(
        "softplus-r1",
        "cgkit_losses.softplus_r1:SoftplusR1Loss",
        summary="Logistic loss with a gradient penalty on real images (Mescheder et al., 2018).",
    )
    registries.reconstruction_losses.add(
        "self-similarity",
        "cgkit_losses.self_similarity:SelfSimilarityLoss",
        summary="Whether edges lie alike within both images, whatever their colours (after Zheng et al., 2021).",
    )
    registries.reconstruction_losses.add(
        "perceptual-random",
        "cgkit_losses.perceptual_random:PerceptualRandomLoss",
        summary="Distance of the features of a random convolutional network; nothing to download.",
    )
