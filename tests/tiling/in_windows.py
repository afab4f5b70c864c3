"""Translating a tensor through the interface for windows."""

from __future__ import annotations

import torch
from torch import Tensor

from cgkit.engine.precision import Precision
from cgkit.tiling.windows import Window, WindowTranslator

FP32 = Precision("fp32", torch.device("cpu"))


def translate_in_windows(translator: WindowTranslator, image: Tensor, tile: int | None) -> Tensor:
    """Translate an image `(1, C, H, W)`, and check that every pixel is written exactly once."""
    translation = torch.full_like(image, torch.nan)

    def write(window: Window, pixels: Tensor) -> None:
        assert translation[..., *window.slices].isnan().all()
        translation[..., *window.slices] = pixels

    size = (image.shape[2], image.shape[3])
    translator.translate(lambda window: image[..., *window.slices], write, size, tile=tile, progress=lambda share: None)
    return translation
