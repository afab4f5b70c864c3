"""A distance between the features of a network that was never trained."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F


class PerceptualRandomLoss(nn.Module):
    """Distance of the features of a random convolutional network.

    Layers of 3 x 3 convolutions and leaky rectifiers, each but the first on a copy of half the size, with weights
    drawn once from N(0, 2 / inputs) (He et al., 2015) and never trained. The distance is the mean over the layers of
    the mean absolute difference of their features.

    Random filters, rectified and pooled, respond to edges and textures wherever they lie (Saxe et al., 2011: "On
    random weights and unsupervised feature learning"), so that a difference spread over a neighbourhood counts for
    more than one that averages out. They know nothing about objects: this is no stand-in for features of a network
    trained on images, merely a distance less local than that of pixels, from nothing but a seed.

    The weights are part of every checkpoint. Computed in float32 or more, whatever autocast says.

    Args:
        layers: how many layers; the last one sees images of 1 / 2^(layers - 1) of the size.
        width: the channels of the first layer; doubled from layer to layer.
        seed: what the weights are drawn from, whatever the run's own seed.
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
        self._least = 2**layers

    def forward(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        """Return the distance of two `(N, C, H, W)` batches of 1 or 3 channels.

        Raises:
            ValueError: the images have another number of channels, or are too small for that many layers.
        """
        channels, height, width = target.shape[1:]
        if channels not in (1, 3):
            raise ValueError(f"the features of perceptual-random are of images with 1 or 3 channels, not {channels}")
        if min(height, width) < self._least:
            raise ValueError(f"images of {height}x{width} pixels do not fit: both sides must be at least {self._least}")
        with torch.autocast(target.device.type, enabled=False):
            pairs = zip(self._features(reconstruction), self._features(target), strict=True)
            return torch.stack([F.l1_loss(one, other) for one, other in pairs]).mean()

    def _features(self, images: Tensor) -> list[Tensor]:
        """Return what each layer makes of the images; grey ones are shown as colour images without colour."""
        features = images.float() if images.dtype in (torch.bfloat16, torch.float16) else images
        features = features.expand(-1, 3, -1, -1)
        layers = []
        for number, weight in enumerate(self.buffers()):
            features = F.avg_pool2d(features, 2) if number else features
            padded = F.pad(features, (1, 1, 1, 1), mode="reflect")
            features = F.leaky_relu(F.conv2d(padded, weight.to(features.dtype)), 0.2)
            layers.append(features)
        return layers
