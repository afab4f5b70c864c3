"""CycleGAN in plain PyTorch, as its publication describes it: what everything else is compared with.

Each image passes each network on its own, eagerly, in float32 and NCHW; the norms are `nn.InstanceNorm2d`, every
convolution has its bias, and Adam is what torch gives (Zhu et al., 2017, sections 3 and 4, and its appendix).
"""

from __future__ import annotations

import itertools
import random
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def plain_generator(width: int = 64, blocks: int = 9) -> nn.Sequential:
    """Return `c7s1-w, d2w, d4w, R4w (blocks times), u2w, uw, c7s1-3` of the paper's appendix."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), *_activated(nn.Conv2d(3, width, 7))]
    for channels in (width, 2 * width):
        layers += _activated(nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1))
    layers += [_Block(4 * width) for _ in range(blocks)]
    for channels in (4 * width, 2 * width):
        up = nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
        layers += _activated(up)
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def plain_discriminator(width: int = 64) -> nn.Sequential:
    """Return the 70x70 PatchGAN `C64-C128-C256-C512` with the last two convolutions at stride 1."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for before, after, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
        convolution = nn.Conv2d(before * width, after * width, 4, stride, 1)
        layers += [convolution, nn.InstanceNorm2d(after * width), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class PlainPool:
    """The last 50 made images; half of the time, one of them takes the place of a new one (Shrivastava et al.)."""

    def __init__(self, capacity: int = 50) -> None:
        self.capacity = capacity
        self.images: list[Tensor] = []

    def exchange(self, made: Tensor) -> Tensor:
        """Return as many images as were made."""
        if self.capacity == 0:
            return made
        shown = []
        for image in made.detach():
            if len(self.images) < self.capacity:
                self.images.append(image.clone())
                shown.append(image)
            elif random.random() < 0.5:
                place = random.randrange(self.capacity)
                shown.append(self.images[place].clone())
                self.images[place] = image.clone()
            else:
                shown.append(image)
        return torch.stack(shown)


class PlainCycleGAN:
    """Four networks, two optimisers and one step."""

    def __init__(
        self,
        *,
        width: int = 64,
        blocks: int = 9,
        pool: int = 50,
        loss: Literal["least-squares", "bce"] = "least-squares",
        learning_rate: float = 2e-4,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.a2b, self.b2a = (_placed(plain_generator(width, blocks), device, dtype) for _ in range(2))
        self.judge_a, self.judge_b = (_placed(plain_discriminator(width), device, dtype) for _ in range(2))
        self.pool_a, self.pool_b = PlainPool(pool), PlainPool(pool)
        self._loss = F.mse_loss if loss == "least-squares" else F.binary_cross_entropy_with_logits
        generators = itertools.chain(self.a2b.parameters(), self.b2a.parameters())
        judges = itertools.chain(self.judge_a.parameters(), self.judge_b.parameters())
        self._generator_adam = torch.optim.Adam(generators, learning_rate, (0.5, 0.999))
        self._judge_adam = torch.optim.Adam(judges, learning_rate, (0.5, 0.999))

    def step(self, real_a: Tensor, real_b: Tensor) -> dict[str, float]:
        """Do one training step and return its losses, with weights 10 for the cycles and 5 for the identities."""
        for judge in (self.judge_a, self.judge_b):
            judge.requires_grad_(False)
        fake_b, fake_a = self.a2b(real_a), self.b2a(real_b)
        terms = {
            "adversarial_a2b": self._judged(self.judge_b(fake_b), real=True),
            "adversarial_b2a": self._judged(self.judge_a(fake_a), real=True),
            "cycle_forward": 10 * F.l1_loss(self.b2a(fake_b), real_a),
            "cycle_backward": 10 * F.l1_loss(self.a2b(fake_a), real_b),
            "identity_b": 5 * F.l1_loss(self.a2b(real_b), real_b),
            "identity_a": 5 * F.l1_loss(self.b2a(real_a), real_a),
        }
        self._generator_adam.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        self._generator_adam.step()

        for judge in (self.judge_a, self.judge_b):
            judge.requires_grad_(True)
        self._judge_adam.zero_grad()
        for name, judge, real, fake in (
            ("discriminator_b", self.judge_b, real_b, self.pool_b.exchange(fake_b.detach())),
            ("discriminator_a", self.judge_a, real_a, self.pool_a.exchange(fake_a.detach())),
        ):
            terms[name] = (self._judged(judge(real), real=True) + self._judged(judge(fake), real=False)) / 2
            terms[name].backward()
        self._judge_adam.step()
        return {name: term.item() for name, term in terms.items()}

    def _judged(self, logits: Tensor, *, real: bool) -> Tensor:
        return self._loss(logits, torch.full_like(logits, float(real)))


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_activated(nn.Conv2d(channels, channels, 3)),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = features + self.layers(features)
        return changed


def _activated(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU(True)]


def _placed(network: nn.Module, device: str, dtype: torch.dtype) -> nn.Module:
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            nn.init.zeros_(layer.bias)
    return network.to(device, dtype)
