"""Everything keeps its class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.contracts import Given, Need


class LabelConsistency(nn.Module):
    """A segmenter finds the same classes in a translation as in its source (after CyCADA, Hoffman et al., 2018).

    The segmenter is a program that `torch.export.save` wrote. It maps images `(N, C, H, W)` in [-1, 1], of the training
    size and any batch size, to class scores `(N, K, h, w)`. It is frozen and stays out of checkpoints. The term is the
    cross-entropy of its scores for the translation.

    Args:
        segmenter: the file with the exported program (`.pt2`).
        labels: what the classes should be: those that the segmenter finds in the source, or those of the data set's
            label maps, where an image has one.
        ignore: the class that does not count in label maps.
    """

    def __init__(
        self,
        *,
        segmenter: Path,
        labels: Literal["segmenter", "data"] = "segmenter",
        ignore: Annotated[int, Ge(0), Le(255)] = 255,
    ) -> None:
        super().__init__()
        self.needs: tuple[Need, ...] = ("translation", "label") if labels == "data" else ("translation",)
        self.segmenter = torch.export.load(segmenter).module()
        self.segmenter.saved = False  # type: ignore[assignment]
        self._ignore = ignore

    @staticmethod
    def example(folder: Path) -> dict[str, Path]:
        """Write a segmenter that tells bright from dark, and return options that refer to it."""
        network = nn.Conv2d(3, 2, 1)
        with torch.no_grad():
            network.weight.copy_(torch.tensor([1.0, -1.0])[:, None, None, None].expand(2, 3, 1, 1))
            network.bias.zero_()  # type: ignore[union-attr]
        file = folder / "segmenter.pt2"
        images = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
        program = torch.export.export(network, (torch.zeros(2, 3, 8, 8),), dynamic_shapes=(images,))
        torch.export.save(program, file)
        return {"segmenter": file}

    def forward(self, given: Given) -> Tensor:
        """Return the cross-entropy, a scalar; 0 if no pixel has a class."""
        assert given.translation is not None
        with torch.autocast(given.source.device.type, enabled=False):
            scores: Tensor = self.segmenter(given.translation)
            classes = self._find_classes(given, scores.shape[-2:])
            entropy = F.cross_entropy(scores, classes, ignore_index=self._ignore, reduction="none")
        return entropy.sum() / (classes != self._ignore).sum().clamp(min=1)

    @torch.no_grad()
    def _find_classes(self, given: Given, size: torch.Size) -> Tensor:
        """Return the class of each position, int64 `(N, h, w)`."""
        if "label" not in given.extras:
            found: Tensor = self.segmenter(given.source).argmax(1)
            return found
        labels = F.interpolate(given.extras["label"].float(), size=size, mode="nearest").long()[:, 0]
        has_labels = given.present["label"][:, None, None] > 0
        return torch.where(has_labels, labels, self._ignore)
