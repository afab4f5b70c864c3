"""Masks, labels and partner images are read from folders, and framed and flipped together with their image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from cgkit.components.augmentations.colour_jitter import ColourJitter
from cgkit.components.augmentations.flip import Flip
from cgkit.components.augmentations.resize_and_crop import ResizeAndCrop
from cgkit.components.augmentations.rotation import RightAngleRotation
from cgkit.components.sources.folder import Folder
from cgkit.contracts import ImageRecord
from cgkit.data.loading import UnpairedImages, training_batches
from cgkit.data.preparation import Preparation
from cgkit.data.sampling import StepBatches
from cgkit.errors import DataError
from cgkit.images.pixels import PixelFormat
from tests.conftest import Result

EVERYTHING = ("mask", "label", "partner")


def record(height: int, width: int) -> ImageRecord:
    """An image whose red channel says the column and whose green channel the row, with extras that say the same."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    red, green = columns / 255, rows / 255
    image = np.stack([red, green, np.zeros_like(red)]).astype(np.float32)

    def extra(name: str, pixels: np.ndarray) -> ImageRecord:
        return ImageRecord(name, render=lambda: pixels)

    extras = {
        "mask": extra("mask", image[:1]),
        "label": extra("label", image[1:2]),
        "partner": extra("partner", image),
    }
    return ImageRecord("image", render=lambda: image, extras=extras)


@given(st.integers(16, 40), st.integers(16, 40), st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_extras_move_with_their_image(height: int, width: int, seed: int) -> None:
    augmentations = (Flip(vertical=0.5), RightAngleRotation())
    framing = ResizeAndCrop(resize=False)
    preparation = Preparation((12, 12), framing, augmentations, EVERYTHING)
    image, extras = preparation.for_training(record(height, width), PixelFormat(), seed)
    torch.testing.assert_close(extras["mask"], image[:1])
    assert torch.equal(extras["label"], (image[1:2] * 255).round().long())
    torch.testing.assert_close(extras["partner"], image * 2 - 1)


class Sideways(nn.Module):
    """An augmentation of a plugin that shifts images around the border."""

    role = "data"
    geometric = True

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.roll(int(torch.randint(image.shape[-1], ())), -1)


def test_augmentations_of_plugins_move_extras_if_they_say_so() -> None:
    preparation = Preparation((16, 16), None, (Sideways(),), EVERYTHING)
    image, extras = preparation.for_training(record(16, 16), PixelFormat(), 5)
    assert image[0, 0, 0] > 0
    torch.testing.assert_close(extras["mask"], image[:1])


@given(st.integers(20, 60), st.integers(20, 60), st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_classes_are_not_mixed_when_an_image_is_resized(height: int, width: int, seed: int) -> None:
    classes = np.zeros((1, height, width), np.float32)
    classes[:, : height // 2] = 200 / 255
    label = ImageRecord("label", render=lambda: classes)
    image = ImageRecord("image", render=lambda: np.repeat(classes, 3, 0), extras={"label": label})
    preparation = Preparation((16, 16), ResizeAndCrop(), (Flip(),), ("label",))
    framed, extras = preparation.for_training(image, PixelFormat(), seed)
    assert set(extras["label"].unique().tolist()) <= {0, 200}
    clear = (framed[0] < 0.1) | (framed[0] > 0.68)
    assert torch.equal((extras["label"][0] == 200)[clear], (framed[0] > 0.4)[clear])


def test_colours_of_masks_are_left_alone_and_the_image_is_augmented_as_without_extras() -> None:
    augmentations = (ColourJitter(brightness=0.5), Flip())
    plain, _ = Preparation((12, 12), ResizeAndCrop(), augmentations).for_training(record(16, 16), PixelFormat(), 3)
    preparation = Preparation((12, 12), ResizeAndCrop(), augmentations, EVERYTHING)
    image, extras = preparation.for_training(record(16, 16), PixelFormat(), 3)
    assert torch.equal(image, plain)
    uncoloured, _ = Preparation((12, 12), ResizeAndCrop(), (Flip(),)).for_training(record(16, 16), PixelFormat(), 3)
    assert extras["mask"].max() <= uncoloured.max() + 0.1


def test_an_image_without_extras_gets_zeros_and_says_so() -> None:
    bare = ImageRecord("bare", render=lambda: np.ones((3, 16, 16), np.float32))
    preparation = Preparation((16, 16), extras=EVERYTHING)
    _, extras = preparation.for_training(bare, PixelFormat(), 0, PixelFormat(channels=1))
    shapes = {name: tuple(extra.shape) for name, extra in extras.items() if not name.endswith("present")}
    assert shapes == {"mask": (1, 16, 16), "label": (1, 16, 16), "partner": (1, 16, 16)}
    assert not any(extra.any() for extra in extras.values())


@pytest.fixture
def folders(image_folder: Callable[..., Path]) -> dict[str, Path]:
    """Two domains of four images of 24 x 20 pixels, and a mask for three images of a."""
    masks = image_folder("masks", 3, mode="L")
    return {"a": image_folder("a"), "b": image_folder("b"), "masks": masks}


def test_the_folder_source_finds_extras_by_name(folders: dict[str, Path]) -> None:
    source = Folder((16, 16), a=folders["a"], b=folders["b"], held_out=0, extras_a={"mask": folders["masks"]})
    train, other = source.train()
    assert ["mask" in train[index].extras for index in range(4)] == [True, True, True, False]
    assert not other[0].extras
    without = Folder((16, 16), a=folders["a"], b=folders["b"], held_out=0).train()[0]
    assert train.fingerprint() != without.fingerprint()
    preparations = Preparation((16, 16), extras=("mask",)), Preparation((16, 16))
    images = UnpairedImages(source.train(), (PixelFormat(), PixelFormat()), preparations, 0)
    (batch,) = training_batches(images, StepBatches(0, 1, 4), workers=0)
    assert batch.extras["a.mask"].shape == (4, 1, 16, 16)
    assert batch.extras["a.mask.present"].sum() == 3


def test_a_folder_whose_files_belong_to_no_image_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    Image.new("L", (24, 20)).save(tmp_path / "others" / "x.png")
    with pytest.raises(DataError, match="no mask has the name of a training image"):
        Folder((16, 16), a=folders["a"], b=folders["b"], extras_a={"mask": tmp_path / "others"})


TERM = """
import cgkit
from torch import nn


class Outside(nn.Module):
    '''Change outside a mask, or of labels.

    Args:
        extra: what it needs.
    '''

    def __init__(self, *, extra: str = "mask") -> None:
        super().__init__()
        self.needs = ("translation", extra)

    def forward(self, given):
        value = next(iter(given.extras.values()))
        return ((given.translation - given.source) * value).abs().mean()


@cgkit.hookimpl
def cgkit_register(registries):
    registries.terms.add("outside", Outside)
"""


@pytest.mark.parametrize("extra", ["mask", "label"])
def test_a_spec_names_the_folders_and_bad_files_are_reported_before_training(
    extra: str, folders: dict[str, Path], tmp_path: Path, cgkit: Callable[..., Result]
) -> None:
    (tmp_path / "term.py").write_text(TERM)
    spec = tmp_path / "spec.toml"
    spec.write_text(f"""
[data]
source = "folder"
a = "a"
b = "b"
size = 16
held_out = 0
workers = 0
extras_a = {{ {extra} = "masks" }}
[generator]
width = 4
blocks = 1
[discriminator]
width = 4
layers = 1
[[term]]
name = "outside"
extra = "{extra}"
weight = {{ a2b = 1.0, b2a = 0.0 }}
[train]
steps = 2
[log]
every = 1
""")
    run = ("run", spec, "--plugin", tmp_path / "term.py", "--output", tmp_path / "run")
    assert cgkit(*run).code == 0
    lost = cgkit(*run, "--set", "term=[{name='outside', weight={a2b=0, b2a=1}}]", "--output", tmp_path / "other")
    assert lost.code == 2
    assert 'needs a mask of images of domain b, but the source has none; with the source "folder"' in lost.err
    Image.new("RGB", (24, 20)).save(folders["masks"] / "image-0.png")
    Image.new("L", (12, 10)).save(folders["masks"] / "image-1.png")
    refused = cgkit(*run, "--output", tmp_path / "other")
    assert refused.code == 3
    assert "image-1.png: the" in refused.err
    assert "is 12x10, but the image is 24x20" in refused.err
    assert ("a label map has one channel of class numbers" in refused.err) is (extra == "label")


def test_an_image_that_is_one_of_several_arrays_in_a_file_can_have_a_mask(
    folders: dict[str, Path], tmp_path: Path, cgkit: Callable[..., Result]
) -> None:
    (tmp_path / "term.py").write_text(TERM)
    values = np.random.default_rng(0).integers(0, 255, (4, 20, 24, 3), dtype=np.uint8)
    for domain in "ab":
        (tmp_path / f"{domain}-arrays").mkdir()
        for number, image in enumerate(values):
            np.savez(tmp_path / f"{domain}-arrays" / f"image-{number}.npz", image=image, dark=image // 2)
    spec = tmp_path / "spec.toml"
    spec.write_text("""
[data]
source = "folder"
a = "a-arrays"
b = "b-arrays"
array = "image"
size = 16
held_out = 0
workers = 0
extras_a = { mask = "masks" }
[generator]
width = 4
blocks = 1
[discriminator]
width = 4
layers = 1
[[term]]
name = "outside"
weight = { a2b = 1.0, b2a = 0.0 }
[train]
steps = 1
""")
    finished = cgkit("run", spec, "--plugin", tmp_path / "term.py", "--output", tmp_path / "run")
    assert finished.code == 0, finished.err
