"""Render weather.png: four landscapes with each of the augmentations.

Run as `python docs/picture.py docs/weather.png`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from cgkit_weather.adaptive import AdaptiveAugmentation
from cgkit_weather.cloud_shadow import CloudShadow
from cgkit_weather.fog import Fog
from cgkit_weather.motion_blur import MotionBlur
from cgkit_weather.rain import Rain
from cgkit_weather.snow import Snow
from cgkit_weather.uneven_light import UnevenLight
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from cgkit.components.sources.seasons import Seasons

SIDE, SCENES = 96, 4


def render_grid() -> Tensor:
    """Return a grid with one row per scene: the scene itself, then one column per augmentation."""
    summer, _ = Seasons((SIDE, SIDE), train=1, test=SCENES).test()
    weathers = [augmentation(p=1.0) for augmentation in (Rain, Snow, Fog, CloudShadow, UnevenLight, MotionBlur)]
    weathers.append(AdaptiveAugmentation(start=0.5))
    cells = []
    for number in range(SCENES):
        record = summer[number]
        assert record.render is not None
        scene = torch.from_numpy(record.render())[None]
        torch.manual_seed(number)
        cells += [scene, *(weather(scene).clamp(0, 1) for weather in weathers)]
    grid: Tensor = make_grid(torch.cat(cells), nrow=len(weathers) + 1, padding=2, pad_value=1)
    return grid


if __name__ == "__main__":
    pixels = (render_grid() * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).quantize(192).save(Path(sys.argv[1]), optimize=True)
