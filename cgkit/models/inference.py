"""Translate images of any size, in [0, 1], with a generator."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.abilities import stride_of
from cgkit.engine.precision import Precision
from cgkit.evaluation.gathering import Translate
from cgkit.tiling.norm_statistics import precise


def translation_by(
    generator: nn.Module, precision: Precision, layout: torch.memory_format = torch.contiguous_format
) -> Translate:
    """Return a function that translates images `(N, C, H, W)` in [0, 1]; it returns float32 tensors on the CPU.

    Height and width need not be multiples of the generator's stride: images are padded by reflection (by repeating the
    edge if an image is too small for reflection), and translations are cropped. The generator runs in evaluation mode.

    Args:
        generator: the network.
        precision: the number format and device to compute with.
        layout: the memory format of the generator's input.
    """
    stride = stride_of(generator)

    @torch.inference_mode()
    def translate(images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        below, right = -height % stride, -width % stride
        padding = "reflect" if below < height and right < width else "replicate"
        inputs = images.to(precision.device, precision.dtype) * 2 - 1
        if below or right:
            inputs = F.pad(inputs, (0, right, 0, below), mode=padding)
        was_training = generator.training
        generator.eval()
        try:
            with precision.autocast(), precise() if layout == torch.channels_last else nullcontext():
                outputs = generator(inputs.contiguous(memory_format=layout))
        finally:
            generator.train(was_training)
        cropped: Tensor = outputs[..., :height, :width]
        return ((cropped.float() + 1) / 2).clamp(0, 1).cpu()

    return translate


def translations_by(generators: nn.ModuleDict, precision: Precision) -> dict[str, Translate]:
    """Return the translation function of each direction (see `translation_by`)."""
    return {direction: translation_by(generator, precision) for direction, generator in generators.items()}
