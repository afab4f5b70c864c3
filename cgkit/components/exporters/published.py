"""Export a generator's weights in the format of the published CycleGAN code."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from cgkit.abilities import publisher_of, recogniser_of
from cgkit.components.exporters.unit_range import OnUnitRange


class Published:
    """A state dict with the tensor names of the published code.

    Only generators that define these names can be written. The file is compared by importing it.
    """

    suffix = ".pth"

    def __init__(self) -> None:
        self._generator: type[nn.Module] = nn.Identity

    def export(self, network: OnUnitRange, example: Tensor, file: Path) -> None:
        """Write the generator's weights with torch.save.

        Raises:
            ValueError: the generator has no published tensor names, or the published code has no equal network.
        """
        self._generator = type(network.generator)
        published = publisher_of(network.generator)
        if published is None:
            raise ValueError("it does not define published tensor names")
        tensors = OrderedDict((name, tensor.cpu().clone()) for name, tensor in published().items())
        torch.save(tensors, file)

    def load(self, file: Path) -> Callable[[Tensor], Tensor]:
        """Return a generator of the exported class with the options and weights that it recognises in the file.

        Raises:
            ValueError: the generator does not recognise its own file.
        """
        recognise = recogniser_of(self._generator)
        recognised = recognise(torch.load(file, weights_only=True)) if recognise else None
        if recognised is None:
            raise ValueError("it does not recognise its own published tensors")
        generator = self._generator(recognised.in_channels, recognised.out_channels, **recognised.options)
        generator.load_state_dict(recognised.state)
        return OnUnitRange(generator)
