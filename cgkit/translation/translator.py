"""A trained model as a function from images to images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn

from cgkit.engine.cyclegan import mixes_samples
from cgkit.engine.inference import translation_by
from cgkit.engine.model_folder import ModelInfo, load_generator, read_model
from cgkit.engine.precision import Precision, choose_device, choose_precision
from cgkit.errors import CheckpointError, DataError
from cgkit.plugins import Plugins, load_plugins

Direction = Literal["a2b", "b2a"]


class Translator:
    """Translates images in one direction."""

    def __init__(self, generator: nn.Module, info: ModelInfo, direction: str, precision: Precision) -> None:
        self.info = info
        self.direction = direction
        channels = info.spec.data.channels
        self.in_channels, self.out_channels = channels if direction == "a2b" else channels[::-1]
        self.takes_batches = not mixes_samples(generator.eval())
        """Whether images of a batch are translated as each would be by itself."""
        # On a CPU, a ResNet at 256 pixels is 1.15 times as fast so, in fp32 and in bf16.
        layout = torch.channels_last if precision.device.type == "cpu" else torch.contiguous_format
        placed = generator.to(precision.device, precision.dtype).to(memory_format=layout)
        self._translate = translation_by(placed, precision, layout)

    @classmethod
    def load(
        cls,
        run_or_model: str | os.PathLike[str],
        *,
        direction: str = "a2b",
        device: str | None = None,
        precision: str | None = None,
        plugins: Plugins | None = None,
    ) -> Self:
        """Load the model of a run folder, or a model folder by itself.

        Args:
            run_or_model: the folder.
            direction: `a2b` or `b2a`.
            device: `cpu`, `cuda` or `cuda:N`; by default CUDA where there is one.
            precision: `fp32`, `bf16`, or `auto` for bf16 where the hardware multiplies it natively; by default as the
                model was trained.
            plugins: the loaded plugins; by default all that are installed.

        Raises:
            CheckpointError: there is no model, or it is damaged.
        """
        folder = Path(run_or_model)
        if not folder.is_dir():
            raise CheckpointError(f"{folder} is not a run folder", hint="give the folder that cgkit run wrote")
        model = folder / "model" if (folder / "model").is_dir() else folder
        if model == folder and not (folder / "config.json").exists() and (folder / "spec.resolved.json").exists():
            raise CheckpointError(f"{folder} has no model yet", hint="finish the run: cgkit run writes it at the end")
        plugins = plugins or load_plugins()
        info = read_model(model, plugins)
        generator = load_generator(model, info, direction, plugins)
        trained = info.spec.train.precision
        wanted = precision or ("fp32" if trained == "fp64" else trained)
        return cls(generator, info, direction, choose_precision(wanted, choose_device(device)))

    def __call__(self, images: Tensor) -> Tensor:
        """Translate one image `(C, H, W)` or a batch `(N, C, H, W)` in [0, 1]; the result has the same form.

        Raises:
            DataError: the number of channels is not the model's.
        """
        batch = images if images.ndim == 4 else images[None]
        if batch.ndim != 4 or batch.shape[1] != self.in_channels:
            raise DataError(
                f"the model translates images of {self.in_channels} channels, got shape {tuple(images.shape)}"
            )
        translated = self._translate(batch)
        return translated if images.ndim == 4 else translated[0]
