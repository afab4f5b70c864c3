"""The built-in plugin: every component that ships with cgkit, registered like those of any other plugin."""

from __future__ import annotations

import sys
from types import ModuleType

from cgkit.components.formats import FORMATS
from cgkit.hookspecs import hookimpl
from cgkit.registry import Registries


def plugin() -> ModuleType:
    """Return this module, which is the plugin."""
    return sys.modules[__name__]


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the components that ship with cgkit.

    `default` marks the components that a spec uses if it names none of their kind: those of the published recipe, the
    metrics that need a ground truth, and every format. `fallback` marks the metrics that are used if there is no ground
    truth.
    """
    _register_networks(registries)
    _register_losses(registries)
    _register_data(registries)
    _register_training(registries)
    _register_metrics(registries)
    _register_exporters(registries)
    for name, target in FORMATS.items():
        registries.formats.add(name, target, default=True)


def _register_networks(registries: Registries) -> None:
    add, package = registries.generators.add, "cgkit.components.generators"
    add("resnet", f"{package}.resnet:ResnetGenerator", default=True)
    add("unet", f"{package}.unet:UnetGenerator")
    add, package = registries.discriminators.add, "cgkit.components.discriminators"
    add("patch", f"{package}.patch:PatchDiscriminator", default=True)
    add("pixel", f"{package}.pixel:PixelDiscriminator")
    add("multiscale", f"{package}.multiscale:MultiscaleDiscriminator")


def _register_losses(registries: Registries) -> None:
    add, package = registries.adversarial_losses.add, "cgkit.components.adversarial_losses"
    add("least-squares", f"{package}.least_squares:LeastSquaresLoss", default=True)
    add("bce", f"{package}.bce:BinaryCrossEntropyLoss")
    add("hinge", f"{package}.hinge:HingeLoss")
    add("wasserstein", f"{package}.wasserstein:WassersteinLoss")
    add, package = registries.reconstruction_losses.add, "cgkit.components.reconstruction_losses"
    add("l1", f"{package}.l1:L1Loss", default=True)
    add("l2", f"{package}.l2:L2Loss")
    add("charbonnier", f"{package}.charbonnier:CharbonnierLoss")
    add("ssim", f"{package}.ssim:SsimLoss")


def _register_data(registries: Registries) -> None:
    add, package = registries.sources.add, "cgkit.components.sources"
    add("seasons", f"{package}.seasons:Seasons", default=True)
    add("folder", f"{package}.folder:Folder")
    add, package = registries.augmentations.add, "cgkit.components.augmentations"
    add("resize-and-crop", f"{package}.resize_and_crop:ResizeAndCrop", default=True)
    add("flip", f"{package}.flip:Flip", default=True)
    add("right-angle-rotation", f"{package}.rotation:RightAngleRotation")
    add("colour-jitter", f"{package}.colour_jitter:ColourJitter")
    add("blur", f"{package}.blur:Blur")
    add("noise", f"{package}.noise:Noise")
    add("diff-augment", f"{package}.diff_augment:DiffAugment")


def _register_training(registries: Registries) -> None:
    add, package = registries.optimizers.add, "cgkit.components.optimizers"
    add("adam", f"{package}.adam:adam", default=True)
    add("adamw", f"{package}.adamw:adamw")
    add, package = registries.schedules.add, "cgkit.components.schedules"
    add("constant-then-linear", f"{package}.constant_then_linear:ConstantThenLinear", default=True)
    add("cosine", f"{package}.cosine:Cosine")
    add("constant", f"{package}.constant:Constant")
    add("warm-up", f"{package}.warm_up:WarmUp")
    add, package = registries.trackers.add, "cgkit.components.trackers"
    add("jsonl", f"{package}.jsonl:JsonLines", default=True)
    add("tensorboard", f"{package}.tensorboard:TensorBoard")


def _register_metrics(registries: Registries) -> None:
    add, package = registries.metrics.add, "cgkit.components.metrics"
    add("psnr", f"{package}.psnr:Psnr", default=True)
    add("l1", f"{package}.l1:MeanAbsoluteError", default=True)
    add("ssim", f"{package}.ssim:Ssim", default=True)
    add("perceptual", f"{package}.perceptual:PerceptualDistance")
    add("kid", f"{package}.kid:KernelDistance", fallback=True)
    add("fid", f"{package}.fid:FrechetDistance")
    for name in ("precision", "recall", "density", "coverage"):
        add(name, f"{package}.neighbours:{name.title()}")
    add("pixel-accuracy", f"{package}.segmentation:PixelAccuracy")
    add("class-accuracy", f"{package}.segmentation:ClassAccuracy")
    add("mean-iou", f"{package}.segmentation:MeanIou")
    add("cycle", f"{package}.cycles:CycleConsistency", fallback=True)
    add("source-similarity", f"{package}.source_similarity:SourceSimilarity", fallback=True)
    add("invented", f"{package}.objects:Invented")
    add("lost", f"{package}.objects:Lost")
    add("cycle-after-jpeg", f"{package}.cycles:CycleAfterJpeg")
    add("cycle-after-blur", f"{package}.cycles:CycleAfterBlur")
    add("cycle-after-noise", f"{package}.cycles:CycleAfterNoise")


def _register_exporters(registries: Registries) -> None:
    add, package = registries.exporters.add, "cgkit.components.exporters"
    add("onnx", f"{package}.onnx:Onnx")
    add("torch-export", f"{package}.torch_program:TorchProgram")
    add("published", f"{package}.published:Published")
