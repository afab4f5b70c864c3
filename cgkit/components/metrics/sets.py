"""The base of metrics that compare two sets of images by a network's features."""

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
        """Choose the network.

        Args:
            network: the network whose features are compared. efficientnet-lite0 comes with the extra `metrics`;
                inception is that of the published FID and needs `weights`.
            weights: the file `pt_inception-2015-12-05-6726825d.pth` of the project pytorch-fid.

        Raises:
            ValueError: inception without weights, or weights without inception.
        """
        if (network == "inception") != (weights is not None):
            raise ValueError('weights and network = "inception" belong together: give both, or neither')
        self._network = EfficientNetLite0() if weights is None else Inception(weights)

    @property
    def extractor(self) -> str:
        """The network and the checksum of its weights."""
        return self._network.description

    def features(self, images: Tensor) -> Tensor:
        """Return one row per image, `(N, D)`, for images `(N, C, H, W)` in [0, 1]."""
        return self._network.features(images)
