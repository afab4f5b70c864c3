"""The initial weights and the images of a golden case, drawn again from its seed as the published code drew them."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(__file__).parent
EXAMPLE = FOLDER.parents[1] / "examples" / "plain_cyclegan.py"


@cache
def golden_tensors(case: str) -> dict[str, Tensor]:
    """Return the tensors of a case by name: weights under their published names, images, outputs.

    The published code draws the networks one after the other in float64, first torch's own initialisation, then
    N(0, 0.02), and after them the images: noise in domain a, noise in blocks of 8x8 pixels in domain b. The norms of
    what it drew are recorded, and what is drawn here must have them.
    """
    recorded = load_file(FOLDER / f"{case}.safetensors")
    configuration = json.loads((FOLDER / f"{case}.json").read_text())
    drawn = _draw(configuration["seed"], int(configuration["netG"].removeprefix("resnet_").removesuffix("blocks")))
    for name in ("G_A", "G_B", "D_A", "D_B"):
        norms = torch.stack([tensor.norm() for key, tensor in drawn.items() if key.startswith(f"{name}.")])
        torch.testing.assert_close(norms, recorded[f"start_norm.{name}"], rtol=1e-12, atol=0)
    for name in ("input.A", "input.B"):
        norms = drawn[name].flatten(1).norm(dim=1)
        torch.testing.assert_close(norms, recorded[f"start_norm.{name}"], rtol=1e-12, atol=0)
    return {**drawn, **recorded}


def _draw(seed: int, blocks: int) -> dict[str, Tensor]:
    specification = importlib.util.spec_from_file_location("plain_cyclegan", EXAMPLE)
    assert specification is not None
    assert specification.loader is not None
    plain = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(plain)
    tensors: dict[str, Tensor] = {}
    default = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_default_dtype(torch.float64)
        try:
            for name in ("G_A", "G_B", "D_A", "D_B"):
                network = plain.generator(8, blocks) if name[0] == "G" else plain.discriminator(8)
                network.apply(plain.initialise)
                for key, parameter in network.named_parameters():
                    published = key.replace(".layers.", ".conv_block.")
                    tensors[f"{name}.model.{published}"] = parameter.detach()
            tensors["input.A"] = torch.rand(8, 1, 3, 64, 64) * 2 - 1
            blocks_of_8x8 = torch.rand(8, 1, 3, 8, 8) * 2 - 1
            tensors["input.B"] = blocks_of_8x8.repeat_interleave(8, -1).repeat_interleave(8, -2)
        finally:
            torch.set_default_dtype(default)
    return tensors
