"""Exporters that keep or break their contract."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from cgkit.contracts import ExportedDirection, ModelFacts
from tests.testing.broken.registry import breaks, breaks_only, good


@good("exporters")
class Exporter:
    """Pickles the whole network."""

    suffix = ".net"

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        network(example)
        torch.save(network, file)

    def load(self, file: Path) -> Callable[[Tensor], Tensor]:
        network: nn.Module = torch.load(file, weights_only=False)
        return network

    def annotate(self, file: Path, notes: Mapping[str, str]) -> None:
        with file.open("ab") as opened:
            opened.write(b"")


@good("exporters")
class ForOneSize(Exporter):
    """Only translates images of the example's shape."""

    any_size = False

    def load(self, file: Path) -> Callable[[Tensor], Tensor]:
        network = super().load(file)

        def translate(images: Tensor) -> Tensor:
            assert images.shape == (1, 3, 32, 48)
            return network(images)

        return translate


@good("exporters")
class CannotLoad:
    """Writes a file that nobody can read."""

    suffix = ".txt"

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        file.write_text(str(network))


@good("exporters")
class ForBothDirections(Exporter):
    """Writes the directions of a model into one file."""

    def assemble(self, directions: Sequence[ExportedDirection], facts: ModelFacts, file: Path) -> None:
        file.write_bytes(facts.name.encode() + b"".join(part.file.read_bytes() for part in directions))


@good("exporters")
class Rounded(Exporter):
    """Rounds the weights to eight bits, and says how much that changes."""

    limit = 0.5

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        rounded = copy.deepcopy(network)
        for parameter in rounded.parameters():
            parameter.mul_(256).round_().div_(256)
        super().export(rounded, example, file)


@breaks_only("exporters", "whole-models-are-assembled")
class AssemblesTwoFiles(ForBothDirections):
    """Writes notes next to the model."""

    def assemble(self, directions: Sequence[ExportedDirection], facts: ModelFacts, file: Path) -> None:
        super().assemble(directions, facts, file)
        file.with_suffix(".txt").write_text(facts.card)


@breaks("exporters", "whole-models-are-assembled")
class AssemblesNothing(ForBothDirections):
    """Writes nothing for a model."""

    def assemble(self, directions: Sequence[ExportedDirection], facts: ModelFacts, file: Path) -> None:
        pass


@breaks("exporters", "whole-models-are-assembled")
class MovesADirection(ForBothDirections):
    """Makes the file of the first direction that of the model."""

    def assemble(self, directions: Sequence[ExportedDirection], facts: ModelFacts, file: Path) -> None:
        directions[0].file.rename(file)


@breaks_only("exporters", "exporters-write-the-file")
class WritesNotes(Exporter):
    """Writes a second file if it succeeds."""

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        super().export(network, example, file)
        (file.parent / "notes.txt").write_text("done")


@breaks("exporters", "exporters-write-the-file")
class SuffixWithoutDot(Exporter):
    """Forgets the dot of its suffix."""

    suffix = "net"


@breaks("exporters", "exporters-write-the-file")
class WritesNothing(Exporter):
    """Writes nothing."""

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        pass


@breaks_only("exporters", "files-compute-the-translations")
class ForTheExampleOnly(ForOneSize):
    """Only translates images of the example's shape, but does not say so."""

    any_size = True


@breaks("exporters", "files-compute-the-translations")
class RoundsWeights(Exporter):
    """Rounds the weights to three bits."""

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        rounded = copy.deepcopy(network)
        for parameter in rounded.parameters():
            parameter.mul_(8).round_().div_(8)
        super().export(rounded, example, file)


@breaks_only("exporters", "exporting-changes-nothing")
class LeavesInTraining(Exporter):
    """Leaves the network in training mode."""

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        super().export(network, example, file)
        network.train()


@breaks("exporters", "exporting-changes-nothing")
class HalvesInPlace(Exporter):
    """Converts the network itself to float16."""

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        super().export(network, example, file)
        network.half()


@breaks_only("exporters", "failures-are-raised")
class HidesFailures(Exporter):
    """Ignores every failure."""

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        with contextlib.suppress(RuntimeError):
            super().export(network, example, file)


@breaks("exporters", "failures-are-raised")
class LeavesPartsBehind(Exporter):
    """Leaves a temporary file behind if it fails."""

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        part = file.with_suffix(".part")
        part.touch()
        super().export(network, example, file)
        part.unlink()


@breaks_only("exporters", "annotated-files-are-the-same-network")
class ReplacesByNotes(Exporter):
    """Overwrites the file with its notes."""

    def annotate(self, file: Path, notes: Mapping[str, str]) -> None:
        file.write_text(str(notes))
