"""An export computes the same as the generator, or is not kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cgkit.components.exporters.unit_range import OnUnitRange
from cgkit.contracts import ExportedDirection, ModelFacts
from cgkit.errors import CheckpointError, PluginError, SpecError, UsageError
from cgkit.exchange.comparing import compare, references, shapes_to_compare
from cgkit.exchange.exporting import export_model
from cgkit.exchange.importing import import_weights
from cgkit.models.folder import write_model
from cgkit.models.info import ModelInfo
from cgkit.plugins import Plugins, load_plugins
from cgkit.spec import resolve_spec
from cgkit.translation.translator import Translator

from .published_networks import Resnet, drawn

ONE_WAY = pytest.mark.parametrize("name", ["resnet", "unet"])
LIMIT = 1e-4
SMALL: dict[str, dict[str, Any]] = {"resnet": {"width": 4, "blocks": 1}, "unet": {"width": 2, "depth": 3}}


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)


def model(folder: Path, plugins: Plugins, name: str, options: Mapping[str, Any]) -> Path:
    """Write a model with random weights."""
    values = {"data": {"source": "seasons", "size": 48}, "generator": {"name": name, **options}}
    spec = resolve_spec(values, plugins)
    generators = {way: drawn(plugins.registries.generators[name].load()(3, 3, **options)) for way in ("a2b", "b2a")}
    write_model(folder, generators, ModelInfo(spec, 7, False), {})
    return folder


def translate(folder: Path, plugins: Plugins, images: Tensor) -> Tensor:
    return Translator.load(folder, plugins=plugins, device="cpu", precision="fp32").translate(images)


@ONE_WAY
def test_an_onnx_file_takes_any_number_of_images_of_any_size(tmp_path: Path, plugins: Plugins, name: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    folder = model(tmp_path / "model", plugins, name, SMALL[name])
    comparison = export_model(folder, tmp_path / "model.onnx", format="onnx", plugins=plugins)
    assert comparison.difference <= 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for shape in ((1, 3, 16, 72), (4, 3, 56, 24), (1, 3, 16, 16), (1, 3, 136, 120)):
        images = torch.rand(shape)
        output = torch.from_numpy(session.run(["translations"], {"images": images.numpy()})[0])
        assert (output - translate(folder, plugins, images)).abs().max() <= LIMIT
    metadata = session.get_modelmeta().custom_metadata_map
    assert float(metadata["largest_difference"]) == pytest.approx(comparison.difference, rel=1e-2)
    assert json.loads(metadata["compared_on"]) == [list(shape) for shape in comparison.shapes]
    assert json.loads(metadata["spec"])["generator"]["a2b"]["name"] == name
    assert "in [0, 1]" in metadata["images"]


@ONE_WAY
def test_a_program_takes_any_number_of_images_of_any_size(tmp_path: Path, plugins: Plugins, name: str) -> None:
    folder = model(tmp_path / "model", plugins, name, SMALL[name])
    assert export_model(folder, tmp_path / "m.pt2", format="torch-export", plugins=plugins).difference <= 1e-5
    metadata = {"cgkit.json": ""}
    program = torch.export.load(tmp_path / "m.pt2", extra_files=metadata).module()
    for shape in ((1, 3, 16, 72), (4, 3, 56, 24)):
        images = torch.rand(shape)
        assert (program(images) - translate(folder, plugins, images)).abs().max() <= LIMIT
    assert json.loads(metadata["cgkit.json"])["direction"] == "a2b"


def test_a_published_file_loads_into_the_published_network_and_back(tmp_path: Path, plugins: Plugins) -> None:
    folder = model(tmp_path / "model", plugins, "resnet", SMALL["resnet"])
    file = tmp_path / "latest_net_G_A.pth"
    assert export_model(folder, file, format="published", direction="b2a", plugins=plugins).difference == 0
    published = Resnet(3, 3, 4, 1).eval()
    published.load_state_dict(torch.load(file, weights_only=True))
    import_weights({"b2a": file}, tmp_path / "again", plugins=plugins)
    images = torch.rand(2, 3, 16, 20)
    expected = Translator.load(folder, direction="b2a", plugins=plugins, precision="fp32").translate(images)
    with torch.no_grad():
        assert (((published(images * 2 - 1) + 1) / 2) - expected).abs().max() <= 1e-5
    assert torch.equal(
        Translator.load(tmp_path / "again", direction="b2a", plugins=plugins).translate(images), expected
    )


class Untraceable(nn.Module):
    """Branches on the values of its input, which no traced graph can."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.mix(images) if float(images.mean()) > 0 else images


@pytest.mark.parametrize(
    ("file_format", "reason"),
    [("torch-export", "cannot be written as torch-export"), ("published", "does not define")],
)
def test_a_generator_that_cannot_be_written_leaves_no_file(tmp_path: Path, file_format: str, reason: str) -> None:
    plugins = load_plugins(installed=False)
    plugins.registries.generators.add("untraceable", Untraceable)
    folder = model(tmp_path / "model", plugins, "untraceable", {})
    with pytest.raises(CheckpointError, match=reason):
        export_model(folder, tmp_path / "out" / "m.bin", format=file_format, plugins=plugins)
    assert list((tmp_path / "out").iterdir()) == []


class Copies:
    """Copies the network's weights into a file that it cannot load.

    Args:
        text: the text to write in front.
        fails: whether to fail after writing.
    """

    suffix = ".txt"

    def __init__(self, *, text: str = "", fails: bool = False) -> None:
        self.text, self.fails = text, fails

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        assert file.suffix == ".txt"
        assert not any(module.training for module in network.modules())
        file.write_text(f"{self.text} {tuple(example.shape)} {len(network.state_dict())}")
        if self.fails:
            raise RuntimeError("out of ink")


class Halved(Copies):
    """Loads something else than it wrote.

    Args:
        text: the text to write in front.
        fails: whether to fail after writing.
    """

    any_size = False
    advice = "write all of it"

    def load(self, file: Path) -> Any:
        return lambda images: images / 2


class ChangesTheNetwork(Copies):
    """Changes the network that it should only write.

    Args:
        text: the text to write in front.
        fails: whether to fail after writing.
    """

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        super().export(network, example, file)
        for parameter in network.parameters():
            parameter.zero_()
        self.network = network

    def load(self, file: Path) -> nn.Module:
        return self.network


class Whole(Copies):
    """Writes one file for both directions.

    Args:
        text: the text to write in front.
        fails: whether to fail after writing.
    """

    limit = 1.0

    def load(self, file: Path) -> Any:
        return lambda images: images / 2

    def assemble(self, directions: Sequence[ExportedDirection], facts: ModelFacts, file: Path) -> None:
        parts = [(part.direction, part.names, part.channels, part.file.exists()) for part in directions]
        file.write_text(json.dumps([facts.name, facts.card, facts.licence, facts.scores, parts]))
        assert all(0 < part.difference <= self.limit and part.eight_bits for part in directions)


class WritesNothing:
    """Writes nothing."""

    suffix = ".txt"

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        pass


class NeedsAPackage(WritesNothing):
    """Needs a package."""

    def export(self, network: nn.Module, example: Tensor, file: Path) -> None:
        import a_package_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401


@pytest.fixture
def extended() -> Plugins:
    """The built-in components, and exporters that keep or break their contract."""
    plugins = load_plugins(installed=False)
    plugins.registries.exporters.add("copies", Copies)
    plugins.registries.exporters.add("halved", Halved)
    plugins.registries.exporters.add("changing", ChangesTheNetwork)
    plugins.registries.exporters.add("whole", Whole)
    plugins.registries.exporters.add("nothing", WritesNothing)
    plugins.registries.exporters.add("needy", NeedsAPackage)
    return plugins


def test_an_exporter_of_a_plugin_gets_a_network_an_example_and_its_options(tmp_path: Path, extended: Plugins) -> None:
    folder = model(tmp_path / "model", extended, "resnet", SMALL["resnet"])
    file = tmp_path / "copied"
    assert export_model(folder, file, format="copies", options={"text": "weights"}, plugins=extended) is None
    assert file.read_text().startswith("weights (1, 3, 48, 48)")


@pytest.mark.parametrize("direction", [None, "b2a"])
def test_an_exporter_of_whole_models_gets_each_direction_and_what_is_known(
    tmp_path: Path, extended: Plugins, direction: str | None
) -> None:
    folder = model(tmp_path / "model", extended, "resnet", SMALL["resnet"])
    comparison = export_model(folder, tmp_path / "whole", format="whole", direction=direction, plugins=extended)
    assert 1e-4 < comparison.difference <= 1
    name, card, licence, scores, parts = json.loads((tmp_path / "whole").read_text())
    both = [["a2b", ["domain a", "domain b"], [3, 3], True], ["b2a", ["domain b", "domain a"], [3, 3], True]]
    assert parts == (both if direction is None else both[1:])
    assert card.startswith(f"# {name}\n")
    assert (licence, scores) == (None, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "whole"]


@pytest.mark.parametrize(
    ("choice", "error", "reason"),
    [
        ({"format": "copies", "options": {"fails": True}}, CheckpointError, "as copies: RuntimeError: out of ink"),
        ({"format": "copies", "options": {"tex": "x"}}, SpecError, 'copies.tex: unknown key.*"text"'),
        (
            {"format": "halved"},
            CheckpointError,
            r"differs from the generator by .* on images of shape \(1, 3, 48, 48\).*; write all of it",
        ),
        ({"format": "changing"}, CheckpointError, "differs from the generator"),
        ({"format": "nothing"}, PluginError, "wrote no file"),
        ({"format": "needy"}, UsageError, "pip install a_package_that_nobody_has"),
        ({"format": "copied"}, UsageError, 'did you mean "copies"'),
    ],
)
def test_a_failed_export_says_why_and_leaves_no_file(
    tmp_path: Path, extended: Plugins, choice: dict[str, Any], error: type[Exception], reason: str
) -> None:
    folder = model(tmp_path / "model", extended, "resnet", SMALL["resnet"])
    with pytest.raises(error, match=reason):
        export_model(folder, tmp_path / "file", plugins=extended, **choice)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_missing_package_is_named_with_what_to_install(
    tmp_path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    folder = model(tmp_path / "model", plugins, "resnet", SMALL["resnet"])
    with pytest.raises(UsageError, match=r'onnxruntime is not installed; pip install "cgkit\[onnx\]"'):
        export_model(folder, tmp_path / "model.onnx", format="onnx", plugins=plugins)
    assert not (tmp_path / "model.onnx").exists()


def test_an_existing_file_is_not_overwritten(tmp_path: Path, plugins: Plugins) -> None:
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        export_model(tmp_path, tmp_path / "m.onnx", format="onnx", plugins=plugins)
    assert (tmp_path / "m.onnx").read_text() == "mine"


@pytest.mark.parametrize("off", [2 * LIMIT, float("nan")])
def test_an_export_that_computes_something_else_is_refused(off: float) -> None:
    network = OnUnitRange(nn.Sequential(nn.Conv2d(3, 3, 1)))
    shapes = shapes_to_compare(3, 4, (30, 33))
    assert shapes[-1] == (1, 3, 32, 36)
    expected = references(network, shapes)
    half_off = compare(expected, lambda images: network(images) + LIMIT / 2, LIMIT)
    assert half_off.difference == pytest.approx(LIMIT / 2, rel=1e-2)
    with pytest.raises(CheckpointError, match=r"differs from the generator by .* on images of"):
        compare(expected, lambda images: network(images) + off * (images.shape[0] == 3), LIMIT)
