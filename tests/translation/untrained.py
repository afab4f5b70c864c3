"""Translators with an untrained generator."""

from __future__ import annotations

from torch import nn

from cgkit.models.info import ModelInfo
from cgkit.plugins import load_plugins
from cgkit.spec import resolve_spec
from cgkit.tiling.large_images import Tiling
from cgkit.translation.translator import Translator
from tests.tiling.in_windows import FP32


def make_translator(
    generator: nn.Module, channels: object = 3, *, tiling: Tiling | None = None, **data: object
) -> Translator:
    """Return a translator for a spec with the given options of its table `data`."""
    values = {"data": {"source": "seasons", "channels": channels, "size": 16, **data}, "objective": {"identity": 0}}
    spec = resolve_spec(values, load_plugins(installed=False))
    return Translator(generator, ModelInfo(spec, 0, False), "a2b", FP32, tiling or Tiling())
