"""Checks of exporters."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.abilities import annotator_of, assembler_of, limit_of, loader_of, writes_any_size
from cgkit.components.exporters.unit_range import OnUnitRange
from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.contracts import ExportedDirection, ModelFacts
from cgkit.data.randomness import seeded
from cgkit.errors import UsageError
from cgkit.testing.check import NotApplicableError, UnavailableError, check
from cgkit.testing.subject import Subject

EXAMPLE = (1, 3, 32, 48)
OTHER_SHAPES = ((2, 3, 40, 32), (1, 3, 64, 36))
"""Shapes that a file for any size must translate besides that of the example, in multiples of the stride."""


FACTS = ModelFacts(name="<b>größer</b>", card="# Card\n\n- a `list`", licence="MIT", scores=(("metric",), ("psnr",)))


class Failing(nn.Module):
    """A generator that cannot be run, and so cannot be traced."""

    def forward(self, images: Tensor) -> Tensor:
        """Raise."""
        raise RuntimeError("this generator always fails")


@check("exporters")
def exporters_write_the_file(subject: Subject) -> None:
    """An exporter's suffix starts with a dot, and it writes the file that it is given, and no other."""
    suffix = subject.build().suffix
    assert suffix[:1] == ".", f"its suffix is {suffix!r}: start it with a dot"
    _, file = _export(subject, _network())
    written = sorted(path.name for path in file.parent.iterdir())
    assert written == [file.name], f"wrote {', '.join(written) or 'nothing'} instead of {file.name}"


@check("exporters")
def files_compute_the_translations(subject: Subject) -> None:
    """A loaded file gives the network's translations; unless `any_size` is false, of any number and size of images."""
    network = _network()
    exporter, file = _export(subject, network)
    load = loader_of(exporter)
    if load is None:
        raise NotApplicableError
    shapes = (EXAMPLE, *OTHER_SHAPES) if writes_any_size(exporter) else (EXAMPLE,)
    _assert_equal(load(file), network, shapes, limit_of(exporter))


@check("exporters")
def exporting_changes_nothing(subject: Subject) -> None:
    """The exported network keeps its mode, types, weights and translations."""
    network, untouched = _network(), _network()
    _export(subject, network)
    assert not any(module.training for module in network.modules()), "leaves the network in training mode"
    for name, tensor in untouched.state_dict().items():
        after = network.state_dict().get(name)
        kept = after is not None and after.dtype == tensor.dtype and torch.equal(after, tensor)
        assert kept, f"changes {name} of the network: change a copy of it"
    _assert_equal(network, untouched, (EXAMPLE,))


@check("exporters")
def failures_are_raised(subject: Subject) -> None:
    """An exporter that cannot write a network raises an exception, and leaves the other files of the folder alone."""
    folder = _empty_folder(subject, "failing")
    (folder / "other").write_text("kept")
    exporter = subject.build()
    file = folder / f"exported{exporter.suffix}"
    try:
        exporter.export(OnUnitRange(Failing()), torch.rand(EXAMPLE), file)
    except Exception:  # noqa: BLE001 - what an exporter should do
        file.unlink(missing_ok=True)
    else:
        assert file.is_file(), "neither writes a file nor raises an exception for a generator that fails"
        file.unlink()
    left = {path.name: path.read_text() for path in folder.iterdir()}
    assert left == {"other": "kept"}, f"leaves {', '.join(left) or 'nothing'} next to the file"


@check("exporters")
def annotated_files_are_the_same_network(subject: Subject) -> None:
    """A file with notes can still be loaded, and gives the same translations."""
    network = _network()
    exporter, file = _export(subject, network)
    load, annotate = loader_of(exporter), annotator_of(exporter)
    if load is None or annotate is None:
        raise NotApplicableError
    annotate(file, {"direction": "a2b", "spec": '{"name": "größer"}'})
    _assert_equal(load(file), network, (EXAMPLE,), limit_of(exporter))


@check("exporters")
def whole_models_are_assembled(subject: Subject) -> None:
    """An exporter with `assemble` writes the file of a model of one or two directions, and leaves their files alone."""
    for ways in (("a2b",), ("a2b", "b2a")):
        exporter, file = _export(subject, _network())
        assemble = assembler_of(exporter)
        if assemble is None:
            raise NotApplicableError
        directions = [_describe(way, shutil.copy(file, file.with_stem(way))) for way in ways]
        before = {path: path.read_bytes() for path in file.parent.iterdir()}
        assembled = _empty_folder(subject, "assembled") / f"model{exporter.suffix}"
        try:
            assemble(directions, FACTS, assembled)
        except (ImportError, UsageError) as error:
            raise UnavailableError(str(error)) from error
        assert assembled.exists(), f"assembles nothing of {' and '.join(ways)}"
        extra = [path.name for path in assembled.parent.iterdir() if path != assembled]
        assert not extra, f"assembles {', '.join(extra)} besides {assembled.name}"
        assert before == {path: path.read_bytes() for path in file.parent.iterdir()}, "changes files of directions"


def _describe(direction: str, file: str | Path) -> ExportedDirection:
    names = ("größer", "</script>") if direction == "a2b" else ("</script>", "größer")
    scale = (0.5, 0.25) if direction == "a2b" else None
    white = (255, 255, 255)
    return ExportedDirection(direction, Path(file), names, (3, 3), 4, EXAMPLE[2:], scale, True, white, False, 1e-6)


def _network() -> OnUnitRange:
    with seeded(0):
        return OnUnitRange(ResnetGenerator(3, 3, width=4, blocks=1))


def _export(subject: Subject, network: OnUnitRange) -> tuple[Any, Path]:
    """Export a network into an empty folder; return the exporter and the file."""
    exporter = subject.build()
    file = _empty_folder(subject, "exported") / f"exported{exporter.suffix}"
    with seeded(0), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as cgkit does: tracers warn of themselves
        try:
            exporter.export(network, torch.rand(EXAMPLE), file)
        except ImportError as error:
            raise UnavailableError(f"{error.name} is not installed") from error
    return exporter, file


def _empty_folder(subject: Subject, name: str) -> Path:
    folder = subject.folder / name
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    return folder


def _assert_equal(
    exported: Callable[[Tensor], Tensor],
    network: OnUnitRange,
    shapes: tuple[tuple[int, ...], ...],
    limit: float = 1e-4,
) -> None:
    for shape in shapes:
        with seeded(0), torch.inference_mode():
            images = torch.rand(shape)
            expected, actual = network(images), exported(images)
        assert actual.shape == expected.shape, f"maps {shape} to {tuple(actual.shape)}"
        difference = float((actual - expected).abs().max())
        assert difference <= limit, f"differs from the network by {difference:.2g} on images of shape {shape}"
