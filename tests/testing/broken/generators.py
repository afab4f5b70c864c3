"""Generators that keep or break their contract."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor, nn

from tests.testing.broken.registry import COUNT, breaks, breaks_only, good


@good("generators")
class Generator(nn.Module):
    """One convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.mix(images).tanh()


@breaks_only("generators", "keeps-height-and-width")
class AlwaysThreeChannels(Generator):
    """Ignores the requested number of channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, 3)


@breaks("generators", "keeps-height-and-width")
class Narrowing(Generator):
    """Loses a column."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)[..., :-1]


@breaks("generators", "keeps-height-and-width")
class SquareOnly(Generator):
    """Transposes images that are not square."""

    def forward(self, images: Tensor) -> Tensor:
        output = super().forward(images)
        return output if images.shape[2] == images.shape[3] else output.mT


@breaks_only("generators", "stays-in-range")
class WithoutTanh(Generator):
    """Has no tanh."""

    def forward(self, images: Tensor) -> Tensor:
        return 3 * self.mix(images)


@breaks("generators", "stays-in-range")
class OutOfRangeInTraining(Generator):
    """Leaves [-1, 1] in training mode only."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * (3 if self.training else 1)


@breaks("generators", "stays-in-range")
class DividesByContrast(Generator):
    """Divides by the contrast, which is zero for constant images."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images / images.std((1, 2, 3), keepdim=True))


@breaks_only("generators", "images-of-a-batch-do-not-mix")
class SubtractsBatchMean(Generator):
    """Subtracts the mean of the batch."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images - images.mean(0, keepdim=True) / 2)


@breaks_only("generators", "bf16-stays-finite")
class InfiniteInBf16(Generator):
    """Divides by zero under autocast."""

    def forward(self, images: Tensor) -> Tensor:
        output = super().forward(images)
        return output / 0 if torch.is_autocast_enabled("cpu") else output


@breaks("generators", "bf16-stays-finite")
class DifferentInBf16(Generator):
    """Has a different output under autocast."""

    def forward(self, images: Tensor) -> Tensor:
        output = super().forward(images)
        return output / 2 if torch.is_autocast_enabled("cpu") else output


@breaks_only("generators", "gradients-reach-every-parameter")
class UnusedParameter(Generator):
    """Has a parameter without an effect."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.unused = nn.Parameter(torch.ones(3))


@breaks("generators", "gradients-reach-every-parameter")
class DetachedParameters(Generator):
    """Cuts the gradient of its parameters."""

    def forward(self, images: Tensor) -> Tensor:
        return (images + self.mix(images).detach()).tanh()


@breaks("generators", "gradients-reach-every-parameter")
class InfiniteGradient(Generator):
    """Has a parameter whose gradient is infinite."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.root = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return (self.mix(images) * (1 + (self.root - 1).relu().sqrt())).tanh()


@breaks_only("generators", "gradients-agree-with-float64")
class WrongNormGradient(Generator):
    """Uses the norm whose gradient is wrong for a single image in channels_last."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.norm = nn.InstanceNorm2d(out_channels)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.mix(images)).tanh()


@breaks_only("generators", "is-decided-by-torchs-seed")
class VariesInTraining(Generator):
    """Varies in training mode, independently of any seed."""

    def forward(self, images: Tensor) -> Tensor:
        output = super().forward(images)
        return output * (1 - (next(COUNT) % 97) / 1000) if self.training else output


@breaks("generators", "is-decided-by-torchs-seed")
class OwnRandomness(Generator):
    """Has a random generator of its own, which it uses in training mode."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.random = np.random.default_rng(0)

    def forward(self, images: Tensor) -> Tensor:
        output = super().forward(images)
        return output * float(self.random.random()) if self.training else output


@breaks_only("generators", "draws-from-torch-alone")
class PythonRandomness(Generator):
    """Draws from Python's random numbers in training mode."""

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            random.random()
        return super().forward(images)


@breaks_only("generators", "evaluation-is-not-random")
class DrawsInEvaluation(Generator):
    """Draws a random number in evaluation mode."""

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            torch.rand(())
        return super().forward(images)


@breaks_only("generators", "state-survives-safetensors")
class TensorOutsideState(Generator):
    """Has a tensor that is not in its state dict."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.factor = torch.rand(())

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * self.factor


@breaks("generators", "state-survives-safetensors")
class SharedMemory(Generator):
    """Has two tensors that share memory."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.register_buffer("alias", self.mix.weight.detach())


@breaks("generators", "state-survives-safetensors")
class StringInState(Generator):
    """Has a string in its state dict."""

    def get_extra_state(self) -> str:
        return "a text"

    def set_extra_state(self, state: str) -> None:
        pass


@breaks_only("generators", "evaluation-changes-nothing")
class CountsCalls(Generator):
    """Counts its calls in a buffer."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(images)


@breaks_only("generators", "compiles")
class DifferentWhenCompiled(Generator):
    """Has a different output when it is traced."""

    def forward(self, images: Tensor) -> Tensor:
        output = super().forward(images)
        return output / 2 if torch.compiler.is_compiling() else output


@breaks("generators", "compiles")
class DifferentGradientWhenCompiled(Generator):
    """Has a different gradient when it is traced."""

    def forward(self, images: Tensor) -> Tensor:
        output = super().forward(images)
        return output / 2 + output.detach() / 2 if torch.compiler.is_compiling() else output
