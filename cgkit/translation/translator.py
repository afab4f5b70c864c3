"""A trained model as a function from images to images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any, Literal, Self, overload

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from cgkit.abilities import mixes_samples
from cgkit.data.pixel_formats import pixel_formats
from cgkit.engine.precision import Precision, choose_device, choose_precision
from cgkit.images.limits import at_most
from cgkit.images.reading import Values
from cgkit.models.folder import find_model, load_generator, read_model
from cgkit.models.inference import translation_by
from cgkit.models.info import ModelInfo, Weights
from cgkit.plugins import Plugins, load_plugins
from cgkit.tiling.large_images import LargeImages, Method, Tiling
from cgkit.translation.forms import Form, batch_of, opened, picture_of

Direction = Literal["a2b", "b2a"]


class Translator:
    """Translates images in one direction."""

    def __init__(
        self,
        generator: nn.Module,
        info: ModelInfo,
        direction: str,
        precision: Precision,
        tiling: Tiling = Tiling(),  # noqa: B008  # it is frozen
    ) -> None:
        self.info = info
        self.direction = direction
        self.max_pixels: int | None = None
        """How many pixels an image file may have, where that is not what training allows."""
        formats = pixel_formats(info.spec.data)
        self.source, self.target = formats if direction == "a2b" else formats[::-1]
        """What the images are like that it takes, and those that it gives."""
        self.in_channels, self.out_channels = self.source.channels, self.target.channels
        self.takes_batches = not mixes_samples(generator.eval())
        """Whether images of a batch are translated as each would be by itself."""
        # On a CPU, a ResNet at 256 pixels is 1.15 times as fast so, in fp32 and in bf16.
        layout = torch.channels_last if precision.device.type == "cpu" else torch.contiguous_format
        self._generator = generator.to(precision.device, precision.dtype).to(memory_format=layout)
        self._translate = translation_by(self._generator, precision, layout)
        self.large = LargeImages(self._generator, self.in_channels, precision, tiling)
        """What translates images that are too large to be translated whole."""

    @classmethod
    def load(
        cls,
        run_or_model: str | os.PathLike[str],
        *,
        direction: str = "a2b",
        weights: Weights | None = None,
        device: str | None = None,
        precision: str | None = None,
        tile: int | Literal["auto", "never"] = "auto",
        tiling: Method = "exact",
        max_pixels: int | None = None,
        plugins: Plugins | None = None,
    ) -> Self:
        """Load the model of a run folder, or a model folder by itself.

        Args:
            run_or_model: the folder.
            direction: `a2b` or `b2a`.
            weights: `ema` for the moving average, `raw` for the weights as they were trained; by default the average
                where there is one.
            device: `cpu`, `cuda` or `cuda:N`; by default CUDA where there is one.
            precision: `fp32`, `bf16`, or `auto` for bf16 where the hardware multiplies it natively; by default as the
                model was trained, and fp32 where translations have more than 8 bits.
            tile: `auto` translates images in tiles where whole ones would need much memory, `never` does not, a number
                always does, with so many pixels a side.
            tiling: `exact` gives the result of the whole image; `thumbnail` and `independent` are approximations.
            max_pixels: how many pixels a file may have; by default 64 million.
            plugins: the loaded plugins; by default all that are installed.

        Raises:
            CheckpointError: there is no model, it is damaged, or it has not got that direction or those weights.
        """
        plugins = plugins or load_plugins()
        model = find_model(run_or_model)
        info = read_model(model, plugins)
        generator = load_generator(model, info, direction, plugins, weights)
        trained = info.spec.train.precision
        target = pixel_formats(info.spec.data)["ab".index(direction[-1])]
        # bf16 tells 128 levels apart between 1/2 and 1: enough for 8 bits, and for nothing deeper.
        wanted = precision or ("fp32" if trained == "fp64" or target.depth != "uint8" else trained)
        device_and_precision = choose_precision(wanted, choose_device(device))
        translator = cls(generator, info, direction, device_and_precision, Tiling(tile, tiling))
        translator.max_pixels = max_pixels
        return translator

    @overload
    def __call__(self, images: Tensor) -> Tensor: ...
    @overload
    def __call__(self, images: NDArray[Any]) -> NDArray[Any]: ...
    @overload
    def __call__(self, images: Image.Image | str | os.PathLike[str]) -> Image.Image: ...
    @overload
    def __call__(self, images: Sequence[Any]) -> list[Any]: ...

    def __call__(self, images: Form | Sequence[Form]) -> Any:
        """Translate an image, a batch or a list of images, of any height and width; the result has the same form.

        Args:
            images: a tensor `(C, H, W)` or `(N, C, H, W)` in [0, 1]; an array `(H, W, C)` or `(N, H, W, C)`, `(H, W)`
                where there is one channel, in the range of its domain, or, where the spec declares none, uint8, uint16
                or float in [0, 1]; a picture of Pillow, or a file's path, which come back as a picture, or as an array
                where no picture can hold the translation; or a list of any of these, translated one after the other.

        Whole numbers come back as whole numbers, unless the range of the target domain is one of floats.

        Raises:
            DataError: an image has another shape, type or range than the model reads, or cannot be read.
            UsageError: it has none of these forms.
        """
        if isinstance(images, Sequence) and not isinstance(images, str):
            return [self(image) for image in images]
        with at_most(self.max_pixels):
            image = opened(images, self.source)
        if isinstance(image, Values) and self.large.wanted(*image.content.shape[:2]):
            return picture_of(*self.large.translated_values(image, self.source, self.target))
        batch, back = batch_of(image, self.source, self.target)
        return back(self.translate(batch))

    def translate(self, batch: Tensor) -> Tensor:
        """Translate `(N, C, H, W)` in [0, 1]; float32, on the CPU."""
        if self.large.wanted(*batch.shape[-2:]):
            return torch.stack([self.large.translated(image, self.out_channels) for image in batch])
        return self.translate_whole(batch)

    def translate_whole(self, batch: Tensor) -> Tensor:
        """Translate as `translate` does, and without tiles, however large the images are."""
        parts = torch.split(batch, len(batch) if self.takes_batches else 1)
        return torch.cat([self._translate(part) for part in parts])

    def identity(self) -> str:
        """Return a text that differs where the generator or its weights do."""
        digest = hashlib.sha256(repr((self.source, self.target)).encode())
        for name, tensor in self._generator.state_dict().items():
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return f"{self.direction} sha256:{digest.hexdigest()}"
