"""Networks that the tensors of a file cannot tell apart are asked for, assumed with a remark, or found by a sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tests.conftest import Result
from tests.exchange.published_networks import Unet, drawn
from tests.exchange.test_other_programs import Sequence, layers_of

Cli = Callable[..., Result]


@pytest.fixture
def original(tmp_path: Path) -> nn.Module:
    """A network whose tensors leave its norm and its padding open, and its file `weights.pth`."""
    network = drawn(Sequence(layers_of(nn.InstanceNorm2d, bias=False, padding="replicate")))
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    return network


def sample_of(network: nn.Module, side: int = 16) -> dict[str, Tensor]:
    images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(3)) * 2 - 1
    images = (images * 127.5).round() / 127.5
    with torch.no_grad():
        return {"x": images, "y": network(images)}


def save_image(batch: Tensor, file: Path) -> Path:
    levels = ((batch[0] + 1) * 127.5).round().to(torch.uint8)
    Image.fromarray(levels.permute(1, 2, 0).numpy()).save(file)
    return file


def save_array(batch: Tensor, file: Path) -> Path:
    np.save(file, batch[0].permute(1, 2, 0).numpy())
    return file


def test_a_norm_that_the_tensors_do_not_tell_is_asked_for(cgkit: Cli, tmp_path: Path, original: nn.Module) -> None:
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model")
    assert result.code == 2
    for text in ("do not tell the network's norm", "--norm none or --norm instance", "--sample INPUT OUTPUT"):
        assert text in result.err
    assert not (tmp_path / "model").exists()


def test_what_is_assumed_is_printed_and_kept_in_the_model_card(cgkit: Cli, tmp_path: Path, original: nn.Module) -> None:
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model", "--norm", "instance")
    remark = "padding reflection assumed, as published: the tensors also fit --padding replicate"
    assert remark in result.err
    assert "norm instance was given" in result.err
    assert remark in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [("--norm", "batch", "they fit none and instance"), ("--padding", "zero", "they fit reflection and replicate")],
)
def test_a_value_that_does_not_fit_is_refused(
    cgkit: Cli, tmp_path: Path, original: nn.Module, option: str, value: str, hint: str
) -> None:
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model", option, value)
    assert result.code == 2
    assert hint in result.err


def test_an_option_that_the_network_lacks_is_refused(cgkit: Cli, tmp_path: Path) -> None:
    torch.save(drawn(Unet(3, 3, 2, 3)).state_dict(), tmp_path / "weights.pth")
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model", "--padding", "zero")
    assert result.code == 2
    assert "unet has no padding" in result.err


@pytest.mark.parametrize("kind", ["tensors", "arrays", "pictures"])
def test_a_sample_tells_the_network(cgkit: Cli, tmp_path: Path, original: nn.Module, kind: str) -> None:
    sample = sample_of(original)
    if kind == "tensors":
        torch.save(sample, tmp_path / "sample.ref")
        files = [tmp_path / "sample.ref"] * 2
    else:
        save, suffix = (save_array, "npy") if kind == "arrays" else (save_image, "png")
        files = [save(sample[name], tmp_path / f"{name}.{suffix}") for name in "xy"]
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model", "--sample", *files)
    assert result.code == 0, result.err
    assert "norm instance, affine false, padding replicate" in result.err
    assert f"reproduces {files[1].name}" in result.err
    assert f"reproduces {files[1].name}" in (tmp_path / "model" / "README.md").read_text()


def test_a_sample_of_another_network_is_refused(cgkit: Cli, tmp_path: Path, original: nn.Module) -> None:
    sample = sample_of(original)
    sample["y"] = -sample["y"]
    torch.save(sample, tmp_path / "sample.ref")
    files = [tmp_path / "sample.ref"] * 2
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model", "--sample", *files)
    assert result.code == 5
    assert "no network that fits the tensors reproduces" in result.err
    assert not (tmp_path / "model").exists()


def test_a_sample_that_does_not_decide_is_refused(cgkit: Cli, tmp_path: Path) -> None:
    """The last convolution has only a bias, so all networks return the same."""
    network = drawn(Sequence(layers_of(nn.InstanceNorm2d, bias=False)))
    nn.init.zeros_(network.get_parameter("model.19.weight"))
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    torch.save(sample_of(network), tmp_path / "sample.ref")
    files = [tmp_path / "sample.ref"] * 2
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model", "--sample", *files)
    assert result.code == 2
    assert "does not decide" in result.err


@pytest.mark.parametrize(
    ("image", "translation", "reason"),
    [
        (torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 32, 32), "differ in size"),
        (torch.zeros(1, 3, 18, 17), torch.zeros(1, 3, 18, 17), "multiples of 4"),
        (torch.zeros(1, 1, 16, 16), torch.zeros(1, 3, 16, 16), "1 x 1 x 16 x 16"),
        (torch.full((1, 3, 16, 16), 200.0), torch.zeros(1, 3, 16, 16), "outside"),
        (torch.zeros(1, 3, 16, 16, dtype=torch.int64), torch.zeros(1, 3, 16, 16), "int64"),
    ],
)
def test_a_sample_that_cannot_be_compared_is_refused(
    cgkit: Cli, tmp_path: Path, original: nn.Module, image: Tensor, translation: Tensor, reason: str
) -> None:
    torch.save({"input": image, "output": translation}, tmp_path / "sample.pt")
    files = [tmp_path / "sample.pt"] * 2
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model", "--sample", *files)
    assert result.code == 2
    assert reason in result.err


def test_a_sample_without_known_names_is_refused(cgkit: Cli, tmp_path: Path, original: nn.Module) -> None:
    torch.save({"before": torch.zeros(1), "after": torch.zeros(1)}, tmp_path / "sample.pt")
    files = [tmp_path / "sample.pt"] * 2
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model", "--sample", *files)
    assert result.code == 2
    assert "call one x or input" in result.err


def test_all_problems_are_told_at_once(cgkit: Cli, tmp_path: Path, original: nn.Module) -> None:
    (tmp_path / "empty.pth").touch()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").touch()
    arguments = ("--a2b", tmp_path / "empty.pth", "--b2a", tmp_path / "weights.pth", "--output", tmp_path / "model")
    result = cgkit("import", *arguments)
    assert result.code == 2
    for text in ("exists and is not empty", "it is empty", "do not tell the network's norm"):
        assert text in result.err
