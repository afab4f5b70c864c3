"""CycleGAN in one file of plain PyTorch, to be read from top to bottom.

    python examples/plain_cyclegan.py                                 # random tensors, to see it run
    python examples/plain_cyclegan.py --folders photos paintings      # two folders of unpaired images

The method is that of Zhu et al. (2017, https://arxiv.org/abs/1703.10593), whose equations and sections are named below.
The generator "a2b" translates domain A to B (the paper's G: X to Y), "b2a" translates B to A (its F: Y to X). Each
domain has a discriminator that distinguishes real from generated images. Images are (N, 3, H, W) in [-1, 1].

cgkit computes the same losses, and its benchmarks use this file as their baseline. Tests compare the losses of cgkit
and of this file with those of the published implementation.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F


def with_norm_and_relu(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    """Return a convolution with a norm and a ReLU, which follow nearly every convolution in a generator."""
    return [convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU(True)]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a skip connection: `R` in section 7.2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first = [nn.ReflectionPad2d(1), *with_norm_and_relu(nn.Conv2d(channels, channels, 3))]
        second = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
        self.layers = nn.Sequential(*first, *second)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape as `features`."""
        return features + self.layers(features)


def generator(width: int = 64, blocks: int = 9) -> nn.Sequential:
    """Return `c7s1-64, d128, d256, R256 (9 times), u128, u64, c7s1-3` of section 7.2."""
    layers = [nn.ReflectionPad2d(3), *with_norm_and_relu(nn.Conv2d(3, width, 7))]
    for channels in (width, 2 * width):
        layers += with_norm_and_relu(nn.Conv2d(channels, 2 * channels, 3, 2, 1))
    layers += [ResidualBlock(4 * width) for _ in range(blocks)]
    for channels in (4 * width, 2 * width):
        layers += with_norm_and_relu(nn.ConvTranspose2d(channels, channels // 2, 3, 2, 1, output_padding=1))
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def discriminator(width: int = 64) -> nn.Sequential:
    """Return `C64-C128-C256-C512` of section 7.2, a PatchGAN: each of its logits judges 70x70 pixels."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for before, after, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
        layers += [nn.Conv2d(before * width, after * width, 4, stride, 1), nn.InstanceNorm2d(after * width)]
        layers += [nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class ImagePool:
    """A pool of 50 earlier generated images, which a discriminator also sees to reduce oscillation (section 4)."""

    def __init__(self, capacity: int = 50) -> None:
        self.capacity = capacity
        self.images: list[Tensor] = []

    def exchange(self, generated: Tensor) -> Tensor:
        """Return the batch; once the pool is full, about half of its images are replaced by older generated images."""
        batch = []
        for image in generated.detach():
            if len(self.images) < self.capacity:
                self.images.append(image.clone())
            elif self.capacity and random.random() < 0.5:
                index = random.randrange(self.capacity)
                image, self.images[index] = self.images[index], image.clone()
            batch.append(image)
        return torch.stack(batch)


def initialise(layer: nn.Module) -> None:
    """Draw the weights of a convolution from N(0, 0.02) (section 7.1)."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        nn.init.zeros_(layer.bias)


class CycleGAN(nn.Module):
    """Two generators, two discriminators, and a training step."""

    def __init__(self, *, width: int = 64, blocks: int = 9, pool: int = 50, loss: str = "least-squares") -> None:
        super().__init__()
        self.generators = nn.ModuleDict({direction: generator(width, blocks) for direction in ("a2b", "b2a")})
        self.discriminators = nn.ModuleDict({domain: discriminator(width) for domain in ("a", "b")})
        self.apply(initialise)
        self.pools = {domain: ImagePool(pool) for domain in ("a", "b")}
        self.loss = F.mse_loss if loss == "least-squares" else F.binary_cross_entropy_with_logits
        self.generator_adam, self.discriminator_adam = (
            torch.optim.Adam(networks.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for networks in (self.generators, self.discriminators)
        )

    def adversarial_loss(self, logits: Tensor, *, real: bool) -> Tensor:
        """Compute a term of equation 1 for logits, by default with least squares for the logarithm (section 4)."""
        return self.loss(logits, torch.full_like(logits, float(real)))

    def step(self, real_a: Tensor, real_b: Tensor) -> dict[str, float]:
        """Train on a batch of each domain; return the losses."""
        a2b, b2a = self.generators["a2b"], self.generators["b2a"]
        self.discriminators.requires_grad_(False)
        fake_b, fake_a = a2b(real_a), b2a(real_b)
        losses = {
            # Equation 1: a discriminator should mistake a generated image for a real image.
            "adversarial_a2b": self.adversarial_loss(self.discriminators["b"](fake_b), real=True),
            "adversarial_b2a": self.adversarial_loss(self.discriminators["a"](fake_a), real=True),
            # Equation 2: translating an image and translating it back should reconstruct it.
            "cycle_forward": 10 * F.l1_loss(b2a(fake_b), real_a),
            "cycle_backward": 10 * F.l1_loss(a2b(fake_a), real_b),
            # Section 5.2: a generator should not change an image of its target domain.
            "identity_b": 5 * F.l1_loss(a2b(real_b), real_b),
            "identity_a": 5 * F.l1_loss(b2a(real_a), real_a),
        }
        self.generator_adam.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # equation 3, with lambda = 10
        self.generator_adam.step()

        # Equation 4: the discriminators have the opposite aim. Their objective is halved (section 7.1).
        self.discriminators.requires_grad_(True)
        self.discriminator_adam.zero_grad()
        for domain, real, fake in (("b", real_b, fake_b), ("a", real_a, fake_a)):
            on_real = self.adversarial_loss(self.discriminators[domain](real), real=True)
            older = self.pools[domain].exchange(fake)
            on_fake = self.adversarial_loss(self.discriminators[domain](older), real=False)
            losses[f"discriminator_{domain}"] = (on_real + on_fake) / 2
            losses[f"discriminator_{domain}"].backward()
        self.discriminator_adam.step()
        return {name: loss.item() for name, loss in losses.items()}


def random_image(folder: Path, size: int) -> Tensor:
    """Load a random image of a folder, resized to 286/256 of `size`, then cropped and flipped at random."""
    larger = size * 286 // 256
    with Image.open(random.choice(sorted(folder.iterdir()))) as image:
        pixels = np.array(image.convert("RGB").resize((larger, larger), Image.Resampling.BICUBIC))
    top, left = (random.randint(0, larger - size) for _ in range(2))
    cropped = torch.from_numpy(pixels[top : top + size, left : left + size]).permute(2, 0, 1) / 127.5 - 1
    return cropped.flip(2) if random.random() < 0.5 else cropped


def main() -> None:
    """Train, print the losses, and save the networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", type=Path, nargs=2, metavar=("A", "B"), help="images of the two domains")
    parser.add_argument("--size", type=int, default=128, help="height and width of the images, a multiple of 4")
    parser.add_argument("--width", type=int, default=64, help="channels of each network's first layer")
    parser.add_argument("--steps", type=int, default=1000, help="training steps, each on one image per domain")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = CycleGAN(width=options.width).to(device)
    images = list(torch.rand(2, 3, options.size, options.size) * 2 - 1)
    for step in range(options.steps):
        if options.folders:
            images = [random_image(folder, options.size) for folder in options.folders]
        for optimiser in (model.generator_adam, model.discriminator_adam):
            # The learning rate is constant for the first half of training, then decays linearly to zero (section 7.1).
            optimiser.param_groups[0]["lr"] = 2e-4 * min(1.0, 2 - 2 * step / options.steps)
        losses = model.step(*(image[None].to(device) for image in images))
        if (step + 1) % 50 == 0 or step + 1 == options.steps:
            print(f"step {step + 1}:", ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items()))
    torch.save(model.state_dict(), "plain_cyclegan.pt")


if __name__ == "__main__":
    main()
