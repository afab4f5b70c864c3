"""The base class of metrics that compare two sets of images by a network's features."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from torch import Tensor

from cgkit.components.metrics.efficientnet import EfficientNetLite0
from cgkit.components.metrics.inception import Inception

Network = Literal["efficientnet-lite0", "inception"]


class FeatureSets:
    """A metric that compares two sets of features."""

    compares = "domain"
    better = "lower"

    def __init__(self, *, network: Network = "efficientnet-lite0", weights: Path | None = None) -> None:
        """Choose the network that computes the features.

        Args:
            network: the network whose features are compared: "efficientnet-lite0" from the extra `metrics`, or
                "inception", the network of the published FID, which needs `weights`.
            weights: the file `pt_inception-2015-12-05-6726825d.pth` of the project pytorch-fid, for "inception".

        Raises:
            ValueError: `weights` is missing for "inception", or is given for another network.
        """
        if (network == "inception") != (weights is not None):
            raise ValueError('weights and network = "inception" belong together: give both, or neither')
        self._network = EfficientNetLite0() if weights is None else Inception(weights)

    @property
    def extractor(self) -> str:
        """The name of the network, the checksum of its weights, and how images are resized."""
        return self._network.description

    def features(self, images: Tensor) -> Tensor:
        """Return one row of features per image, `(N, D)`, for images `(N, C, H, W)` in [0, 1]."""
        return self._network.features(images)
