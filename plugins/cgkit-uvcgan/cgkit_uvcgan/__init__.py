"""The components of UVCGAN and UVCGANv2 (Torbunov et al., 2023)."""

from __future__ import annotations

import cgkit
from cgkit.registry import Registries


@cgkit.hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the generator, the discriminator and the adversarial loss."""
    registries.generators.add(
        "vit-unet",
        "cgkit_uvcgan.generator:VitUnetGenerator",
        summary="U-Net with a pixel-wise vision transformer as its bottleneck (Torbunov et al., 2023).",
    )
    registries.discriminators.add(
        "batch-head-patch",
        "cgkit_uvcgan.discriminator:BatchHeadPatchDiscriminator",
        summary="PatchGAN with a batch statistic over a memory of earlier images (UVCGANv2).",
    )
    registries.adversarial_losses.add(
        "penalised-least-squares",
        "cgkit_uvcgan.penalised_least_squares:PenalisedLeastSquaresLoss",
        summary="Least squares with the gradient penalty of UVCGANv2 (around zero) or UVCGAN (around 100).",
    )
