"""The published generators, reimplemented from their description, with the tensor names of the published code."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


def instance(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels)


def affine_instance(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True)


def batch(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels)


NORMS: dict[str, tuple[Norm, bool]] = {
    "instance": (instance, True),
    "affine instance": (affine_instance, True),
    "batch": (batch, False),
    "none": (lambda channels: nn.Identity(), False),
}
"""Each norm, and whether the convolutions before it have a bias."""


class Block(nn.Module):
    def __init__(self, width: int, norm: Norm, bias: bool, dropout: bool) -> None:
        super().__init__()
        first = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), norm(width)]
        second = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), norm(width)]
        self.conv_block = nn.Sequential(*first, nn.ReLU(), *([nn.Dropout(0.5)] if dropout else []), *second)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.conv_block(features)


class Resnet(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, width: int, blocks: int, *, norm: str = "instance", dropout: bool = False
    ) -> None:
        super().__init__()
        make, bias = NORMS[norm]
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7, bias=bias), make(width), nn.ReLU()]
        for wide in (2 * width, 4 * width):
            layers += [nn.Conv2d(wide // 2, wide, 3, 2, 1, bias=bias), make(wide), nn.ReLU()]
        layers += [Block(4 * width, make, bias, dropout) for _ in range(blocks)]
        for narrow in (2 * width, width):
            layers += [nn.ConvTranspose2d(2 * narrow, narrow, 3, 2, 1, 1, bias=bias), make(narrow), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh())

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


class Level(nn.Module):
    """A level of the U-Net around the next one; all but the outermost concatenate their input to their output."""

    def __init__(self, down: list[nn.Module], inner: nn.Module | None, up: list[nn.Module], *, outermost: bool) -> None:
        super().__init__()
        self.outermost = outermost
        self.model = nn.Sequential(*down, *([] if inner is None else [inner]), *up)

    def forward(self, features: Tensor) -> Tensor:
        return self.model(features) if self.outermost else torch.cat([features, self.model(features)], 1)


class Unet(nn.Module):
    def __init__(self, inputs: int, outputs: int, width: int, depth: int, *, norm: str = "instance") -> None:
        super().__init__()
        make, bias = NORMS[norm]
        widths = [width * min(2**level, 8) for level in range(depth)]
        level: nn.Module | None = None
        for number in range(depth - 1, 0, -1):
            wide, narrow, innermost = widths[number], widths[number - 1], number == depth - 1
            down = [nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(narrow, wide, 4, 2, 1, bias=bias)]
            up = [nn.ReLU(), nn.ConvTranspose2d(wide if innermost else 2 * wide, narrow, 4, 2, 1, bias=bias)]
            level = Level(down + ([] if innermost else [make(wide)]), level, [*up, make(narrow)], outermost=False)
        last = [nn.ReLU(), nn.ConvTranspose2d(2 * width, outputs, 4, 2, 1), nn.Tanh()]
        self.model = Level([nn.Conv2d(inputs, width, 4, 2, 1, bias=bias)], level, last, outermost=True)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


def drawn(network: nn.Module, seed: int = 0) -> nn.Module:
    """Randomise all tensors of a network, including running statistics, so that no omission goes unnoticed."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=rng) * 0.2
                tensor.copy_(1 + values.abs() if name.endswith(("running_var",)) else values)
    return network.eval()
