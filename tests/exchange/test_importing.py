"""Weights in the published layouts become a model with the same output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.errors import CheckpointError, PluginError, SpecError, UsageError
from cgkit.exchange.importing import import_weights
from cgkit.exchange.reading_process import check_archive, read_tensors
from cgkit.exchange.recognition import recognise
from cgkit.models.folder import load_generator, read_model
from cgkit.plugins import Plugins
from cgkit.translation.translator import Translator
from tests.exchange.published_networks import Resnet, drawn
from tests.golden.start import golden_tensors

CASES = pytest.mark.parametrize(("case", "blocks"), [("lsgan_resnet9_ngf8", 9), ("bce_resnet6_ngf8", 6)])
Tensors = dict[str, Tensor]


def golden(case: str, name: str) -> Tensors:
    tensors = golden_tensors(case)
    return {key.removeprefix(f"{name}."): tensors[key] for key in tensors if key.startswith(f"{name}.")}


def with_dropout(tensors: Tensors) -> Tensors:
    """Number the layers of each block as if it had a dropout layer."""
    return {name.replace("conv_block.5.", "conv_block.6."): tensor for name, tensor in tensors.items()}


def with_statistics(tensors: Tensors) -> Tensors:
    """Add the running statistics of instance norms in old versions of PyTorch."""
    added = {}
    last = max(int(name.split(".")[1]) for name in tensors)
    for name, tensor in tensors.items():
        head, number = name.removesuffix(".bias").rsplit(".", 1)
        if name.endswith(".bias") and name != f"model.{last}.bias":
            added[f"{head}.{int(number) + 1}.running_mean"] = tensor + 3
            added[f"{head}.{int(number) + 1}.running_var"] = tensor.abs() + 3
    return {**tensors, **added}


def with_module(tensors: Tensors) -> Tensors:
    return {f"module.{name}": tensor for name, tensor in tensors.items()}


def output(generator: nn.Module, case: str) -> tuple[Tensor, Tensor]:
    """Return the output of a generator for the golden image, and that of the published generator."""
    images = golden_tensors(case)
    with torch.no_grad():
        return generator.double()(images["input.A"][0]), images["output.fake_B"]


@CASES
@pytest.mark.parametrize("change", [dict, with_dropout, with_statistics, with_module])
@pytest.mark.parametrize("zipped", [True, False])
def test_published_weights_of_every_layout_give_the_published_network(
    tmp_path: Path, plugins: Plugins, case: str, blocks: int, change: Callable[[Tensors], Tensors], zipped: bool
) -> None:
    torch.save(change(golden(case, "G_A")), tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    check_archive(tmp_path / "net.pth")
    recognised = recognise(read_tensors(tmp_path / "net.pth"), plugins).recognised
    assert recognised.options["blocks"] == blocks
    assert (recognised.options["dropout"] > 0) == (change is with_dropout)
    generator = ResnetGenerator(3, 3, **recognised.options).double().eval()
    generator.load_state_dict(dict(recognised.state))
    actual, expected = output(generator, case)
    assert (actual - expected).abs().max() <= 1e-10


@CASES
def test_a_model_imported_from_published_weights_gives_the_published_output(
    tmp_path: Path, plugins: Plugins, case: str, blocks: int
) -> None:
    weights = {name: tensor.float() for name, tensor in with_module(with_dropout(golden(case, "G_A"))).items()}
    torch.save(weights, tmp_path / "latest_net_G_A.pth", _use_new_zipfile_serialization=blocks == 9)
    import_weights({"a2b": tmp_path / "latest_net_G_A.pth"}, tmp_path / "model", plugins=plugins)
    info = read_model(tmp_path / "model", plugins)
    actual, expected = output(load_generator(tmp_path / "model", info, "a2b", plugins), case)
    assert (actual - expected).abs().max() <= 1e-6


def test_two_files_give_both_directions(tmp_path: Path, plugins: Plugins) -> None:
    to_b, to_a = drawn(Resnet(3, 1, 4, 1)), drawn(Resnet(1, 3, 6, 2, norm="batch"))
    save_file(to_b.state_dict(), tmp_path / "a.safetensors")
    save_file(to_a.state_dict(), tmp_path / "b.safetensors")
    files = {"a2b": tmp_path / "a.safetensors", "b2a": tmp_path / "b.safetensors"}
    import_weights(files, tmp_path / "model", name="two ways", license="mit", plugins=plugins)
    grey = Translator.load(tmp_path / "model", direction="a2b", plugins=plugins)(torch.rand(3, 18, 21))
    assert grey.shape == (1, 18, 21)
    image = torch.rand(1, 16, 16)
    translated = Translator.load(tmp_path / "model", direction="b2a", plugins=plugins)(image)
    with torch.no_grad():
        assert torch.allclose(translated, ((to_a(image[None] * 2 - 1)[0] + 1) / 2).clamp(0, 1), atol=1e-5)
    card = (tmp_path / "model" / "README.md").read_text()
    assert 'license: "mit"' in card
    assert "a2b from a.safetensors" in card
    assert "running statistics" in card
    assert json.loads((tmp_path / "model" / "config.json").read_text())["spec"]["name"] == "two ways"


def test_a_failed_import_leaves_nothing_behind(tmp_path: Path, plugins: Plugins) -> None:
    files = {name: tmp_path / f"{name}.safetensors" for name in ("fits", "unfit", "strange", "wide")}
    save_file(drawn(Resnet(3, 1, 4, 1)).state_dict(), files["fits"])
    save_file(drawn(Resnet(3, 1, 4, 1)).state_dict(), files["unfit"])
    save_file({"w": torch.zeros(1)}, files["strange"])
    save_file(drawn(Resnet(3, 3, 1, 70)).state_dict(), files["wide"])
    before = sorted(tmp_path.iterdir())
    for given, error, reason in (
        ({"a2b": files["fits"], "b2a": files["unfit"]}, CheckpointError, "do not belong together"),
        ({"a2b": files["strange"]}, CheckpointError, r"strange\.safetensors: the network with the tensors w"),
        ({"a2b": files["wide"]}, CheckpointError, "cannot be built.*64"),
    ):
        with pytest.raises(error, match=reason):
            import_weights(given, tmp_path / "model", plugins=plugins)
    with pytest.raises((SpecError, PluginError)):
        import_weights({"a2b": files["fits"]}, tmp_path / "model", name="../x", plugins=plugins)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_not_empty_is_not_touched(tmp_path: Path, plugins: Plugins) -> None:
    save_file(drawn(Resnet(3, 3, 4, 1)).state_dict(), tmp_path / "a.safetensors")
    (tmp_path / "model").mkdir()
    import_weights({"a2b": tmp_path / "a.safetensors"}, tmp_path / "model", plugins=plugins)
    before = {path: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    with pytest.raises(UsageError, match="exists and is not empty"):
        import_weights({"b2a": tmp_path / "a.safetensors"}, tmp_path / "model", plugins=plugins)
    assert {path: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
