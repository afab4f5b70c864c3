"""The generators recognise published weights, and export theirs under the published names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.components.generators.unet import UnetGenerator
from cgkit.contracts import Recognised
from tests.exchange.published_networks import NORMS, Resnet, Unet, drawn

GENERATORS: dict[str, type[ResnetGenerator | UnetGenerator]] = {"resnet": ResnetGenerator, "unet": UnetGenerator}
MAKERS: dict[str, Callable[..., nn.Module]] = {
    "resnet": lambda norm: Resnet(3, 2, 4, 3, norm=norm),
    "unet": lambda norm: Unet(3, 2, 2, 5, norm=norm),
}
BOTH = pytest.mark.parametrize("kind", ["resnet", "unet"])


def build(kind: str, recognised: Recognised, dtype: torch.dtype = torch.float64) -> nn.Module:
    network = GENERATORS[kind](recognised.in_channels, recognised.out_channels, **recognised.options).to(dtype)
    network.load_state_dict(dict(recognised.state))
    return network.eval()


def recognise(kind: str, tensors: dict[str, Tensor]) -> Recognised:
    recognised = GENERATORS[kind].recognise(tensors)
    assert recognised is not None
    return recognised


@BOTH
@pytest.mark.parametrize("norm", list(NORMS))
def test_recognised_weights_compute_what_the_published_network_computes(kind: str, norm: str) -> None:
    published = drawn(MAKERS[kind](norm)).double()
    recognised = recognise(kind, published.state_dict())
    assert (recognised.in_channels, recognised.out_channels) == (3, 2)
    assert recognised.options["affine"] == (norm in ("affine instance", "batch"))
    images = torch.rand(2, 3, 32, 64, dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        assert (build(kind, recognised)(images) - published(images)).abs().max() <= 1e-10


@pytest.mark.parametrize("width", [4, 6])
@pytest.mark.parametrize("blocks", [0, 1, 6])
@pytest.mark.parametrize("dropout", [False, True])
def test_width_blocks_and_dropout_are_detected_from_the_tensors(width: int, blocks: int, dropout: bool) -> None:
    options = recognise("resnet", drawn(Resnet(1, 1, width, blocks, dropout=dropout)).state_dict()).options
    assert (options["width"], options["blocks"]) == (width, blocks)
    assert options["dropout"] == (0.5 if dropout and blocks else 0)


@pytest.mark.parametrize("depth", [2, 5, 7])
def test_the_depth_of_a_u_net_is_detected_from_the_tensors(depth: int) -> None:
    assert recognise("unet", drawn(Unet(3, 3, 2, depth)).state_dict()).options["depth"] == depth


def test_running_statistics_of_old_instance_norms_are_ignored_with_a_remark() -> None:
    published = drawn(Resnet(3, 3, 4, 2))
    tensors = published.state_dict()
    for layer in ("model.2", "model.5", "model.8", "model.10.conv_block.2", "model.10.conv_block.6"):
        width = tensors[f"{layer.rpartition('.')[0]}.{int(layer.rpartition('.')[2]) - 1}.weight"].shape[0]
        tensors |= {f"{layer}.running_mean": torch.rand(width), f"{layer}.running_var": torch.rand(width)}
    recognised = recognise("resnet", tensors)
    assert recognised.options["norm"] == "instance"
    assert any("running statistics" in remark for remark in recognised.remarks)
    images = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(build("resnet", recognised, torch.float64)(images), published.double()(images))


def test_the_layers_of_a_block_may_have_another_name() -> None:
    tensors = drawn(Resnet(3, 3, 4, 2, norm="affine instance")).state_dict()
    renamed = {name.replace("conv_block", "block"): tensor for name, tensor in tensors.items()}
    assert recognise("resnet", renamed).state.keys() == recognise("resnet", tensors).state.keys()


@BOTH
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_exported_tensors_load_into_the_published_network_and_are_recognised_again(kind: str, norm: str) -> None:
    published = MAKERS[kind](norm)
    options = {"width": 4, "blocks": 3} if kind == "resnet" else {"width": 2, "depth": 5}
    own = drawn(GENERATORS[kind](3, 2, norm=norm, affine=norm == "batch", **options))
    published.load_state_dict(own.published_tensors())
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(published.eval()(images), own(images), atol=1e-5)
    recognised = recognise(kind, own.published_tensors())
    assert all(torch.equal(recognised.state[name], tensor) for name, tensor in own.state_dict().items())


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_shifts_the_published_layer_numbers(dropout: float) -> None:
    own = ResnetGenerator(3, 3, width=4, blocks=1, dropout=dropout)
    tensors = own.published_tensors()
    assert ("model.10.conv_block.6.weight" in tensors) == (dropout > 0)
    assert recognise("resnet", tensors).options["dropout"] == dropout


def test_a_batch_norm_without_scale_is_exported_with_a_scale_of_one() -> None:
    own = drawn(ResnetGenerator(3, 2, width=4, blocks=3, norm="batch"))
    published = Resnet(3, 2, 4, 3, norm="batch").eval()
    published.load_state_dict(own.published_tensors())
    images = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(published(images), own(images), atol=1e-5)


@pytest.mark.parametrize(
    ("generator", "reason"),
    [
        (lambda: ResnetGenerator(3, 3, width=4, blocks=1, upsample="resize"), "resize"),
        (lambda: ResnetGenerator(3, 3, width=4, blocks=1, padding="zero"), "zero"),
        (lambda: drawn(ResnetGenerator(3, 3, width=4, blocks=1, norm="none")), "no bias"),
        (lambda: UnetGenerator(3, 3, width=4, depth=1), "depth = 1"),
    ],
)
def test_networks_without_a_published_counterpart_are_refused(generator: Callable[[], nn.Module], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        generator().published_tensors()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model.7.filt": torch.zeros(8, 1, 3, 3)}, "blur"),
        ({"model.4.weight": torch.zeros(8, 5, 3, 3)}, "model.4.weight is 8x5x3x3"),
        ({"model.23.weight": None}, None),
        ({"head.weight": torch.zeros(1)}, None),
    ],
)
def test_similar_networks_are_not_recognised(change: dict[str, Tensor | None], reason: str | None) -> None:
    tensors = {**drawn(Resnet(3, 3, 4, 6)).state_dict(), **change}
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    if reason is None:
        assert ResnetGenerator.recognise(tensors) is None
    else:
        with pytest.raises(ValueError, match=reason):
            ResnetGenerator.recognise(tensors)
    assert UnetGenerator.recognise(tensors) is None


def test_blocks_padded_with_zeros_leave_the_padding_of_the_other_layers_open() -> None:
    tensors = drawn(Resnet(3, 3, 4, 1)).state_dict()
    renamed = {"conv_block.1.": "conv_block.0.", "conv_block.5.": "conv_block.3."}
    for ours, theirs in renamed.items():
        tensors = {name.replace(ours, theirs): tensor for name, tensor in tensors.items()}
    recognised = recognise("resnet", tensors)
    fitting = {other.options["padding"] for other in (recognised, *recognised.alternatives)}
    assert fitting == {"zero", "all-zero"}
    assert recognised.undecided == ("padding",)
