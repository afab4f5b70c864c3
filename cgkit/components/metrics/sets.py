"""The base class of metrics that compare two sets of images by a network's features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from torch import Tensor

from cgkit.components.metrics.efficientnet import EfficientNetLite0
from cgkit.components.metrics.inception import Inception
from cgkit.components.metrics.onnx_network import OnnxNetwork

Network = Literal["efficientnet-lite0", "inception", "onnx"]
Side = Annotated[int, Ge(8), Le(4096)]
Means = tuple[float, ...]
Deviations = tuple[Annotated[float, Gt(0)], ...]


class FeatureSets:
    """A metric that compares two sets of features."""

    compares = "domain"
    better = "lower"

    def __init__(
        self,
        *,
        network: Network = "efficientnet-lite0",
        weights: Path | None = None,
        size: Side | None = None,
        mean: Means | None = None,
        std: Deviations | None = None,
    ) -> None:
        """Choose the network that computes the features.

        Args:
            network: the network whose features are compared: "efficientnet-lite0" from the extra `metrics`;
                "inception", the network of the published FID; or "onnx", any network in an ONNX file, which the extra
                `onnx` runs. The last two need `weights`.
            weights: for "inception", the file `pt_inception-2015-12-05-6726825d.pth` of the project pytorch-fid; for
                "onnx", a file with a network that maps images `(N, C, H, W)` to features `(N, D)`.
            size: for "onnx", the side in pixels to resize images to; by default the size that the file declares.
            mean: for "onnx", what is subtracted from each channel of images in [0, 1]; by default nothing.
            std: for "onnx", what each channel is divided by after that; by default nothing.

        Raises:
            ValueError: an option is missing for the network, or given for another one.
        """
        if (network == "efficientnet-lite0") != (weights is None):
            raise ValueError('weights and network = "inception" or "onnx" belong together: give both, or neither')
        if network != "onnx" and (size, mean, std) != (None, None, None):
            raise ValueError('size, mean and std belong to network = "onnx"')
        self._network: EfficientNetLite0 | Inception | _OnnxFeatures
        if weights is None:
            self._network = EfficientNetLite0()
        else:
            onnx = OnnxNetwork(weights, size, mean, std)
            self._network = Inception(weights) if network == "inception" else _OnnxFeatures(onnx)

    @property
    def extractor(self) -> str:
        """The name of the network, the checksum of its weights, and how images are prepared."""
        return self._network.description

    def features(self, images: Tensor) -> Tensor:
        """Return one row of features per image, `(N, D)`, for images `(N, C, H, W)` in [0, 1]."""
        return self._network.features(images)


class _OnnxFeatures:
    def __init__(self, network: OnnxNetwork) -> None:
        self._network = network
        self.file = network.file

    @property
    def description(self) -> str:
        return self._network.description

    def features(self, images: Tensor) -> Tensor:
        features = self._network(images)
        if features.ndim != 2 or len(features) != len(images):
            shape = tuple(features.shape)
            raise ValueError(f"{self.file} returns {shape} for {len(images)} images, not one row of features for each")
        return features
