"""The FCN score: whether a user's network finds the right class at each pixel of a translation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le, MinLen
from torch import Tensor
from torch.nn import functional as F

from cgkit.components.metrics.onnx_network import OnnxNetwork
from cgkit.components.metrics.sets import Deviations, Means, Side

Level = Annotated[int, Ge(0), Le(255)]
Palette = Annotated[tuple[tuple[Level, Level, Level], ...], MinLen(2)]


class _SegmentationScore(ABC):
    """Counts pixels of each class; subclasses compute a score from the counts of all images."""

    compares = "truth"
    better = "higher"

    def __init__(
        self,
        *,
        network: Path,
        size: Side | None = None,
        mean: Means | None = None,
        std: Deviations | None = None,
        against: Literal["truth", "source"] = "truth",
        palette: Palette | None = None,
        ignored: tuple[Level, ...] = (),
    ) -> None:
        """Choose the network, and where the right classes come from.

        Args:
            network: an ONNX file with a network that maps images `(N, C, H, W)` to scores of K classes `(N, K, h, w)`;
                the extra `onnx` runs it.
            size: the side in pixels to resize images to; by default the size that the file declares.
            mean: what is subtracted from each channel of images in [0, 1]; by default nothing.
            std: what each channel is divided by after that; by default nothing.
            against: where the right classes come from: the ground truth, or the source, which translation should not
                change in this respect.
            palette: the colour of each class, `[red, green, blue]` from 0 to 255, if ground truth or sources are images
                of labels: each pixel has the class of the nearest colour. By default, the network finds the classes.
            ignored: the classes whose pixels do not count.
        """
        self.compares = against
        self._network = OnnxNetwork(network, size, mean, std)
        self._palette, self._ignored = palette, ignored

    @staticmethod
    def example(folder: Path) -> dict[str, Path | int]:
        """Write a network that tells bright from dark, and return options that refer to it."""
        import onnx
        from onnx import TensorProto, helper

        weights = helper.make_tensor("weights", TensorProto.FLOAT, (2, 3, 1, 1), [1.0] * 3 + [-1.0] * 3)
        bias = helper.make_tensor("bias", TensorProto.FLOAT, (2,), [0.0, 3.0])
        images, scores = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "h", "w"])
            for name, channels in (("images", 3), ("scores", 2))
        )
        node = helper.make_node("Conv", ["images", "weights", "bias"], ["scores"])
        graph = helper.make_graph([node], "brightness", [images], [scores], [weights, bias])
        opsets = [helper.make_opsetid("", 18)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / "brightness.onnx")
        return {"network": folder / "brightness.onnx", "size": 32}

    @property
    def extractor(self) -> str:
        """The checksum of the network, and how images are prepared."""
        return self._network.description

    def __call__(self, translations: Tensor, others: Tensor, /) -> Tensor:
        """Return counts of pixels, `(N, 3 K)`: of each class, those found rightly, those that are, those found.

        Args:
            translations: `(N, C, H, W)` in [0, 1].
            others: the ground truth or the sources, of the same scenes.
        """
        found, classes = self._find(translations)
        if self._palette is not None and len(self._palette) > classes:
            raise ValueError(f"the palette has {len(self._palette)} colours, but the network only {classes} classes")
        truth = self._find(others)[0] if self._palette is None else self._read(others, found)
        scored = torch.isin(truth, torch.tensor(self._ignored, dtype=truth.dtype), invert=True)
        counted = (found.clone().masked_fill_(found != truth, classes), truth, found)
        return torch.cat([_count(labels, scored, classes) for labels in counted], dim=1)

    def combine(self, counts: Tensor) -> Tensor:
        """Return the score, a scalar, of all images whose counts are given, `(N, 3 K)`.

        Raises:
            ValueError: no pixel counts.
        """
        right, true, found = counts.sum(0).view(3, -1)
        if not true.any():
            raise ValueError("no pixel has a class that counts")
        return self._score(right, true, found)

    @abstractmethod
    def _score(self, right: Tensor, true: Tensor, found: Tensor) -> Tensor:
        """Return the score of the numbers of pixels in each class, `(K,)` each; `true` has a number above 0."""

    def _find(self, images: Tensor) -> tuple[Tensor, int]:
        """Return the class that the network finds at each pixel of the images, `(N, H, W)`, and the number K."""
        scores = self._network(images)
        if scores.ndim != 4 or len(scores) != len(images) or scores.shape[1] < 2:
            shape = tuple(scores.shape)
            raise ValueError(f"{self._network.file} returns {shape}, not scores of classes (N, K, h, w)")
        if scores.shape[-2:] != images.shape[-2:]:
            scores = F.interpolate(scores, images.shape[-2:], mode="bilinear", align_corners=False)
        return scores.argmax(1), scores.shape[1]

    def _read(self, images: Tensor, found: Tensor) -> Tensor:
        """Return the class of the nearest colour of the palette at each pixel, resized like `found`."""
        colours = torch.tensor(self._palette, dtype=torch.float32)
        pixels = images.detach().float().cpu().expand(-1, 3, -1, -1).permute(0, 2, 3, 1) * 255
        labels = torch.cdist(pixels.flatten(1, 2), colours).argmin(-1).view(pixels.shape[:-1])
        return F.interpolate(labels[:, None].float(), found.shape[-2:], mode="nearest-exact")[:, 0].long()


class PixelAccuracy(_SegmentationScore):
    """Share of pixels of translations at which a network finds the right class (Zhu et al., 2017).

    The FCN score of "Unpaired image-to-image translation using cycle-consistent adversarial networks", section 5.1.1,
    and of "Fully convolutional networks for semantic segmentation" (Long et al., 2015), section 5: over the pixels of
    all images, sum n_ii / sum t_i.
    """

    def _score(self, right: Tensor, true: Tensor, found: Tensor) -> Tensor:
        return right.sum() / true.sum()


class ClassAccuracy(_SegmentationScore):
    """Share of pixels with the right class, averaged over the classes that occur (Zhu et al., 2017).

    As `pixel-accuracy`, but rare classes count as much as frequent ones (Long et al., 2015, section 5): the mean of
    n_ii / t_i over the classes i, each over all images.
    """

    def _score(self, right: Tensor, true: Tensor, found: Tensor) -> Tensor:
        return (right / true)[true > 0].mean()


class MeanIou(_SegmentationScore):
    """Intersection over union of found and right classes, averaged over the classes (Zhu et al., 2017).

    As `pixel-accuracy`, but with the mean of n_ii / (t_i + sum n_ji - n_ii) over the classes that occur or are found,
    each over all images (Long et al., 2015, section 5).
    """

    def _score(self, right: Tensor, true: Tensor, found: Tensor) -> Tensor:
        union = true + found - right
        return (right / union)[union > 0].mean()


def _count(labels: Tensor, scored: Tensor, classes: int) -> Tensor:
    """Return the number of scored pixels of each class in each image, `(N, K)`; other labels are not counted."""
    kept = labels.masked_fill(~scored, classes).clamp(max=classes).flatten(1)
    return torch.zeros(len(labels), classes + 1, dtype=torch.float64).scatter_add_(
        1, kept, torch.ones_like(kept, dtype=torch.float64)
    )[:, :classes]
