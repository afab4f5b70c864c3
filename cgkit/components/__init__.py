"""The built-in plugin: every component that ships with cgkit, registered like a stranger's."""

from __future__ import annotations

import sys
from types import ModuleType

from cgkit.hookspecs import hookimpl
from cgkit.registry import Registries


def plugin() -> ModuleType:
    """Return this module, which is the plugin."""
    return sys.modules[__name__]


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Fill the registries with what ships with cgkit. `default` marks the published recipe."""
    _networks(registries)
    _losses(registries)
    _training_data(registries)
    _observation(registries)


def _networks(registries: Registries) -> None:
    generators = registries.generators
    generators.add(
        "resnet",
        "cgkit.components.generators.resnet:ResnetGenerator",
        summary="Residual blocks between two down- and two up-samplings (Johnson et al., 2016).",
        default=True,
    )
    generators.add(
        "unet",
        "cgkit.components.generators.unet:UnetGenerator",
        summary="Encoder and decoder with skip connections (Isola et al., 2017).",
    )
    discriminators = registries.discriminators
    discriminators.add(
        "patch",
        "cgkit.components.discriminators.patch:PatchDiscriminator",
        summary="PatchGAN: judges overlapping patches, 70x70 pixels with 3 layers (Isola et al., 2017).",
        default=True,
    )
    discriminators.add(
        "pixel",
        "cgkit.components.discriminators.pixel:PixelDiscriminator",
        summary="Judges every pixel by itself (Isola et al., 2017).",
    )
    discriminators.add(
        "multiscale",
        "cgkit.components.discriminators.multiscale:MultiscaleDiscriminator",
        summary="Patch discriminators on ever smaller copies of the image (Wang et al., 2018).",
    )


def _losses(registries: Registries) -> None:
    adversarial = registries.adversarial_losses
    adversarial.add(
        "least-squares",
        "cgkit.components.adversarial_losses.least_squares:LeastSquaresLoss",
        summary="Squared distance of the logits to 0 and 1 (Mao et al., 2017).",
        default=True,
    )
    adversarial.add(
        "bce",
        "cgkit.components.adversarial_losses.bce:BinaryCrossEntropyLoss",
        summary="Log-likelihood of real and made (Goodfellow et al., 2014; equation 1 of CycleGAN).",
    )
    adversarial.add(
        "hinge",
        "cgkit.components.adversarial_losses.hinge:HingeLoss",
        summary="Hinge loss (Lim and Ye, 2017).",
    )
    adversarial.add(
        "wasserstein",
        "cgkit.components.adversarial_losses.wasserstein:WassersteinLoss",
        summary="Wasserstein distance with a gradient penalty (Gulrajani et al., 2017).",
    )
    reconstruction = registries.reconstruction_losses
    module = "cgkit.components.reconstruction_losses"
    reconstruction.add("l1", f"{module}.l1:L1Loss", summary="Mean absolute difference.", default=True)
    reconstruction.add("l2", f"{module}.l2:L2Loss", summary="Mean squared difference.")
    reconstruction.add("charbonnier", f"{module}.charbonnier:CharbonnierLoss", summary="A smooth absolute difference.")
    reconstruction.add(
        "ssim", f"{module}.ssim:SsimLoss", summary="One minus structural similarity (Wang et al., 2004)."
    )


def _training_data(registries: Registries) -> None:
    sources = registries.sources
    sources.add(
        "seasons",
        "cgkit.components.sources.seasons:Seasons",
        summary="Procedural landscapes in summer and in winter, with the hidden truth; nothing to download.",
        default=True,
    )
    sources.add(
        "folder",
        "cgkit.components.sources.folder:Folder",
        summary="Two folders of images, whatever they are called.",
    )
    augmentations = registries.augmentations
    module = "cgkit.components.augmentations"
    augmentations.add(
        "resize-and-crop",
        f"{module}.resize_and_crop:ResizeAndCrop",
        summary="Scale a little larger, then cut a random window.",
        default=True,
    )
    augmentations.add("flip", f"{module}.flip:Flip", summary="Mirror images at random.", default=True)
    augmentations.add(
        "right-angle-rotation",
        f"{module}.rotation:RightAngleRotation",
        summary="Turn images by multiples of 90 degrees.",
    )
    augmentations.add(
        "colour-jitter",
        f"{module}.colour_jitter:ColourJitter",
        summary="Vary brightness, contrast, saturation and hue.",
    )
    augmentations.add("blur", f"{module}.blur:Blur", summary="Gaussian blur of a random width.")
    augmentations.add("noise", f"{module}.noise:Noise", summary="Gaussian noise.")
    augmentations.add(
        "diff-augment",
        f"{module}.diff_augment:DiffAugment",
        summary="Differentiable colour, translation and cutout before the discriminator (Zhao et al., 2020).",
    )


def _observation(registries: Registries) -> None:
    schedules = registries.schedules
    module = "cgkit.components.schedules"
    schedules.add(
        "constant-then-linear",
        f"{module}.constant_then_linear:ConstantThenLinear",
        summary="The full rate for a while, then linearly to zero: the published schedule.",
        default=True,
    )
    schedules.add("cosine", f"{module}.cosine:Cosine", summary="Half a cosine wave down, after an optional warm-up.")
    schedules.add("constant", f"{module}.constant:Constant", summary="The same rate throughout.")
    metrics = registries.metrics
    module = "cgkit.components.metrics"
    metrics.add("psnr", f"{module}.psnr:Psnr", summary="Peak signal-to-noise ratio to the truth, in dB.", default=True)
    metrics.add("l1", f"{module}.l1:MeanAbsoluteError", summary="Mean absolute difference to the truth.", default=True)
    metrics.add("ssim", f"{module}.ssim:Ssim", summary="Structural similarity to the truth.", default=True)
    metrics.add(
        "perceptual",
        f"{module}.perceptual:PerceptualDistance",
        summary="Distance to the truth in what a network sees (after Zhang et al., 2018).",
    )
    _metrics_without_a_truth(registries)
    trackers = registries.trackers
    module = "cgkit.components.trackers"
    trackers.add(
        "jsonl",
        f"{module}.jsonl:JsonLines",
        summary="One JSON object a line, in metrics.jsonl.",
        default=True,
    )
    trackers.add("tensorboard", f"{module}.tensorboard:TensorBoard", summary="Curves for TensorBoard.")


def _metrics_without_a_truth(registries: Registries) -> None:
    """`fallback` marks those that are taken where the truth is not known."""
    metrics = registries.metrics
    module = "cgkit.components.metrics"
    metrics.add(
        "kid",
        f"{module}.kid:KernelDistance",
        summary="Kernel distance to the target domain, without bias (Binkowski et al., 2018).",
        fallback=True,
    )
    metrics.add(
        "fid",
        f"{module}.fid:FrechetDistance",
        summary="Frechet distance to the target domain (Heusel et al., 2017).",
    )
    metrics.add(
        "cycle",
        f"{module}.cycles:CycleConsistency",
        summary="Mean absolute difference between sources and what comes back of them.",
        fallback=True,
    )
    metrics.add(
        "source-similarity",
        f"{module}.source_similarity:SourceSimilarity",
        summary="Structural similarity of a translation to its source; 1 is a copy.",
        fallback=True,
    )
    for disturbance, name in (("jpeg", "Jpeg"), ("blur", "Blur"), ("noise", "Noise")):
        metrics.add(
            f"cycle-after-{disturbance}",
            f"{module}.cycles:CycleAfter{name}",
            summary=f"How much worse sources come back after {disturbance} on the translation (Chu et al., 2017).",
        )
