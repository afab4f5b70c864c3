"""A distance between features of an untrained network."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F


class PerceptualRandomLoss(nn.Module):
    """Distance between features of a random convolutional network.

    Each layer is a 3 x 3 convolution with leaky ReLU, preceded by 2 x 2 average pooling except in the first
    layer. The weights are drawn once from N(0, 2 / fan-in) (He et al., 2015) and not trained. The distance is the mean
    absolute difference between the features of a layer, averaged over the layers.

    Random filters, rectified and pooled, respond to edges and textures wherever they are (Saxe et al., 2011: "On
    random weights and unsupervised feature learning"), so a difference shared by a neighbourhood counts more than
    differences that average out. Random filters do not recognise objects, so they are no substitute for features of a
    trained network, but the distance is less local than one between pixels and needs nothing but a seed.

    The weights are part of every checkpoint. The distance is computed in at least float32, even under autocast.

    Args:
        layers: number of layers; the last layer works at 1 / 2^(layers - 1) of the images' height and width.
        width: number of channels of the first layer, doubled in each further layer.
        seed: seed from which the weights are drawn, independent of the run's seed.
    """

    def __init__(
        self,
        *,
        layers: Annotated[int, Ge(1), Le(6)] = 3,
        width: Annotated[int, Ge(1), Le(256)] = 16,
        seed: Annotated[int, Ge(0), Le(2**63 - 1)] = 0,
    ) -> None:
        super().__init__()
        generator = torch.Generator(device="cpu").manual_seed(seed)
        channels = [3, *(width * 2**layer for layer in range(layers))]
        for layer, (inputs, outputs) in enumerate(pairwise(channels)):
            weight = torch.randn(outputs, inputs, 3, 3, generator=generator, device="cpu") * (2 / (9 * inputs)) ** 0.5
            self.register_buffer(f"weight_{layer}", weight)
        self._min_side = 2**layers

    def forward(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        """Return the distance between two `(N, C, H, W)` batches of 1 or 3 channels.

        Raises:
            ValueError: the images have another number of channels, or a side below 2^layers pixels.
        """
        channels, height, width = target.shape[1:]
        if channels not in (1, 3):
            raise ValueError(f"perceptual-random requires images with 1 or 3 channels, not {channels}")
        if min(height, width) < self._min_side:
            raise ValueError(
                f"images of {height}x{width} pixels are too small: both sides need at least {self._min_side}"
            )
        with torch.autocast(target.device.type, enabled=False):
            pairs = zip(self._features(reconstruction), self._features(target), strict=True)
            return torch.stack([F.l1_loss(features, expected) for features, expected in pairs]).mean()

    def _features(self, images: Tensor) -> list[Tensor]:
        """Return the features of each layer; grey images are expanded to three equal channels."""
        features = images.float() if images.dtype in (torch.bfloat16, torch.float16) else images
        features = features.expand(-1, 3, -1, -1)
        layers = []
        for layer, weight in enumerate(self.buffers()):
            features = F.avg_pool2d(features, 2) if layer else features
            padded = F.pad(features, (1, 1, 1, 1), mode="reflect")
            features = F.leaky_relu(F.conv2d(padded, weight.to(features.dtype)), 0.2)
            layers.append(features)
        return layers
