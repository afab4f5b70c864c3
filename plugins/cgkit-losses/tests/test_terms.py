"""Each term is its formula, and a run with all of them trains and resumes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cgkit_losses.terms.colours import ColourPreservation
from cgkit_losses.terms.edges import Edges
from cgkit_losses.terms.labels import LabelConsistency
from cgkit_losses.terms.masks import OutsideMask
from cgkit_losses.terms.pairs import PairedL1
from cgkit_losses.terms.perceptual import Perceptual
from cgkit_losses.terms.smoothness import TotalVariation
from PIL import Image
from torch import Tensor, nn
from torchvision.models import vgg16

from cgkit.contracts import Given


def given(source: Tensor, translation: Tensor, **extras: Tensor) -> Given:
    present = {name: torch.ones(len(source)) for name in extras}
    return Given(nn.Identity(), source, source, translation, extras=extras, present=present)


def noise(seed: int, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_total_variation_is_the_mean_step_between_neighbours() -> None:
    image = torch.tensor([[0.0, 1.0], [0.0, 0.5]])[None, None]
    # Down: |0 - 0| and |0.5 - 1|; right: |1 - 0| and |0.5 - 0|.
    assert TotalVariation()(given(image, image)).item() == pytest.approx(0.25 + 0.75)


def test_edges_ignore_contrast_and_brightness_but_not_places() -> None:
    source = noise(0)
    term = Edges()
    assert term(given(source, source)).item() == 0
    assert term(given(source, source * 0.5 + 0.2)).item() < 0.01
    assert term(given(source, source.roll(3, -1))).item() > 0.3


def test_colours_are_compared_over_areas() -> None:
    source = torch.zeros(1, 3, 16, 16)
    checkered = source.clone()
    checkered[..., ::2, ::2], checkered[..., 1::2, 1::2] = 0.5, -0.5
    term = ColourPreservation(area=8)
    assert term(given(source, checkered)).item() == pytest.approx(0)
    assert term(given(source, source + 0.25)).item() == pytest.approx(0.25)
    with pytest.raises(ValueError, match="smaller than area = 32"):
        ColourPreservation(area=32)(given(source, source))
    with pytest.raises(ValueError, match="equal channels"):
        term(given(source, source[:, :1]))


def test_only_changes_outside_the_mask_count_and_images_without_one_do_not() -> None:
    source, translation = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    translation[:, :, :2] = 0.5
    mask = torch.zeros(2, 1, 4, 4)
    mask[:, :, :, :2] = 1
    images = given(source, translation, mask=mask)
    # Of the eight pixels outside the mask, four changed by 0.5.
    assert OutsideMask()(images).item() == pytest.approx(0.25)
    images.present["mask"][1] = 0  # type: ignore[index]
    assert OutsideMask()(images).item() == pytest.approx(0.25)
    images.present["mask"][0] = 0  # type: ignore[index]
    assert OutsideMask()(images).item() == 0


def test_pairs_are_averaged_over_the_images_that_have_a_partner() -> None:
    source = torch.zeros(2, 3, 4, 4)
    images = given(source, source, partner=torch.stack([source[0] + 0.5, source[1] + 0.1]))
    assert PairedL1()(images).item() == pytest.approx(0.3)
    images.present["partner"][1] = 0  # type: ignore[index]
    assert PairedL1()(images).item() == pytest.approx(0.5)


def test_labels_are_those_of_the_segmenter_or_of_the_data(tmp_path: Path) -> None:
    options = LabelConsistency.example(tmp_path)
    bright, dark = torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), -0.5)
    own = LabelConsistency(segmenter=options["segmenter"])
    # The scores of the two classes are 3 x 0.5 and -3 x 0.5.
    kept, lost = math.log(1 + math.exp(-3)), math.log(1 + math.exp(3))
    assert own(given(bright, bright)).item() == pytest.approx(kept, rel=1e-5)
    assert own(given(bright, dark)).item() == pytest.approx(lost, rel=1e-5)
    labelled = LabelConsistency(segmenter=options["segmenter"], labels="data", ignore=9)
    labels = torch.ones(1, 1, 8, 8, dtype=torch.int64)
    labels[..., :4] = 9
    images = given(bright, bright, label=labels)
    assert labelled(images).item() == pytest.approx(lost, rel=1e-5)
    images.present["label"].zero_()
    assert labelled(images).item() == 0
    assert not own.state_dict() or own.segmenter.saved is False


def test_the_perceptual_network_comes_from_a_file_or_from_the_extra(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = vgg16(weights=None)
    torch.save(network.state_dict(), tmp_path / "vgg16.pth")
    source = torch.rand(1, 3, 32, 32) * 2 - 1
    for term in (Perceptual(weights=tmp_path / "vgg16.pth"), Perceptual()):
        translation = (source * 0.5).requires_grad_()
        assert term(given(source, source.clone())).item() == pytest.approx(0, abs=1e-6)
        value = term(given(source, translation))
        assert 0 < value.item() < 4
        value.backward()
        assert translation.grad is not None
        assert translation.grad.any()
        assert not any(parameter.requires_grad for parameter in term.parameters())
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not have the weights of VGG-16"):
        Perceptual(weights=tmp_path / "other.pth")


SPEC = """
[data]
source = "folder"
a = "a"
b = "b"
size = 32
held_out = 0
workers = 0
extras_a = {{ mask = "masks", label = "labels", partner = "partners" }}
[generator]
width = 4
blocks = 1
[discriminator]
width = 4
layers = 1
[train]
steps = 4
batch = 2
precision = "fp32"
[schedule]
name = "constant"
[log]
every = 1
[samples]
count = 1
[evaluation]
count = 1
{terms}
"""

NAMES = ("perceptual", "total-variation", "edges", "colour-preservation", "outside-mask", "paired-l1")


def test_a_run_with_every_term_resumes_exactly(tmp_path: Path, cgkit: Callable[..., int]) -> None:
    folders = {"a": ("RGB", 4), "b": ("RGB", 4), "masks": ("L", 3), "labels": ("L", 4), "partners": ("RGB", 2)}
    for number, (folder, (mode, count)) in enumerate(folders.items()):
        (tmp_path / folder).mkdir()
        for image in range(count):
            values = torch.randint(
                2 if folder == "labels" else 256,
                (40, 36, 3),
                generator=torch.Generator().manual_seed(10 * number + image),
            )
            picture = Image.fromarray(values.byte().numpy())
            (picture if mode == "RGB" else picture.getchannel(0)).save(tmp_path / folder / f"{image}.png")
    LabelConsistency.example(tmp_path)
    terms = "".join(f'[[term]]\nname = "{name}"\nweight = {{ a2b = 0.5, b2a = 0.0 }}\n' for name in NAMES)
    terms += '[[term]]\nname = "label-consistency"\nlabels = "data"\nsegmenter = "segmenter.pt2"\n'
    terms += "weight = { a2b = 0.5, b2a = 0.0 }\n"
    (tmp_path / "spec.toml").write_text(SPEC.format(terms=terms))

    def metrics(folder: str) -> list[dict[str, float]]:
        lines = (tmp_path / folder / "metrics.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(line).items() if k.endswith("_a2b")} for line in lines]

    command = ("run", tmp_path / "spec.toml", "--device", "cpu", "--output")
    assert cgkit(*command, tmp_path / "straight") == 0
    assert cgkit(*command, tmp_path / "halted", "--set", "train.steps=2") == 0
    assert cgkit(*command, tmp_path / "halted") == 0
    straight, resumed = metrics("straight"), metrics("halted")
    assert straight[-1] == resumed[-1]
    assert {f"{name}_a2b" for name in (*NAMES, "label-consistency")} <= straight[0].keys()
    saved = next((tmp_path / "straight" / "checkpoints").glob("*/components.safetensors"))
    assert saved.stat().st_size < 100_000, "frozen networks stay out of checkpoints"
