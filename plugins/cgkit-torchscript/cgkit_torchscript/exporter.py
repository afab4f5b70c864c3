"""An exporter that writes TorchScript files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

NOTES = "cgkit.json"
"""The extra file with facts about the model."""


class TorchScript:
    """A TorchScript file, which C++, Java and mobile programs with libtorch read.

    Args:
        method: `trace` records the operations for one image, which works for most networks; `script` compiles the code
            of the network, which keeps its branches and loops.
        freeze: whether to turn the weights into constants, so that libtorch can combine layers.
        any_size: whether the file must translate images of any number and size; otherwise, it is only compared on an
            image of the size of training images.
    """

    suffix = ".pt"

    def __init__(
        self, *, method: Literal["trace", "script"] = "trace", freeze: bool = True, any_size: bool = True
    ) -> None:
        self.method = method
        self.freeze = freeze
        self.any_size = any_size

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        """Convert the network and save it."""
        convert: Any = torch.jit.script if self.method == "script" else partial(torch.jit.trace, example_inputs=example)
        module = convert(network)
        torch.jit.save(torch.jit.freeze(module) if self.freeze else module, str(file))

    def load(self, file: Path) -> Callable[[Tensor], Tensor]:
        """Return the network in the file."""
        return _load(file)

    def annotate(self, file: Path, notes: Mapping[str, str]) -> None:
        """Add the notes as the extra file `cgkit.json`."""
        torch.jit.save(_load(file), str(file), _extra_files={NOTES: json.dumps(dict(notes))})


def _load(file: Path) -> torch.jit.ScriptModule:
    module: torch.jit.ScriptModule = torch.jit.load(str(file), map_location="cpu")  # type: ignore[no-untyped-call]
    return module
