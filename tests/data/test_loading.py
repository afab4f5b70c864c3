from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cgkit.components.augmentations.flip import Flip
from cgkit.components.augmentations.noise import Noise
from cgkit.components.augmentations.resize_and_crop import ResizeAndCrop
from cgkit.components.sources.folder import Folder
from cgkit.data.loading import UnpairedImages, batch_of_tests, training_batches
from cgkit.data.preparation import Preparation
from cgkit.data.sampling import StepBatches
from cgkit.errors import DataError, PluginError
from cgkit.images.pixels import PixelFormat

PREPARATION = Preparation((16, 16), framing=ResizeAndCrop(), augmentations=(Flip(), Noise(std=0.1)))


@pytest.fixture
def source(image_folder: Callable[..., Path]) -> Folder:
    return Folder((16, 16), a=image_folder("a", 5), b=image_folder("b", 3), held_out=0.0)


def images(source: Folder, preparation: Preparation = PREPARATION, seed: int = 0) -> UnpairedImages:
    return UnpairedImages(source.train(), (PixelFormat(), PixelFormat()), (preparation, preparation), seed)


def test_positions_can_be_requested_in_any_order(source: Folder) -> None:
    forwards = [images(source)[position] for position in range(8)]
    backwards = [images(source)[position] for position in reversed(range(8))]
    for first, second in zip(forwards, reversed(backwards), strict=True):
        assert torch.equal(first[0], second[0])
        assert first[2:] == second[2:]


def test_images_are_in_the_range_of_the_networks(source: Folder) -> None:
    image_a, image_b, *_ = images(source)[0]
    assert image_a.shape == image_b.shape == (3, 16, 16)
    assert image_a.min() >= -1
    assert image_a.max() <= 1
    assert image_a.min() < -0.5


def test_an_image_is_augmented_differently_in_each_epoch(source: Folder) -> None:
    seen: dict[str, list[torch.Tensor]] = {}
    for position in range(10):
        image, _, name, *_ = images(source)[position]
        seen.setdefault(name, []).append(image)
    assert all(len(both) == 2 and not torch.equal(*both) for both in seen.values())


def test_the_number_of_workers_changes_no_bit(source: Folder) -> None:
    batches = [list(training_batches(images(source), StepBatches(0, 4, 2), workers=workers)) for workers in (0, 1, 2)]
    for others in batches[1:]:
        for expected, batch in zip(batches[0], others, strict=True):
            assert torch.equal(expected.real_a, batch.real_a)
            assert torch.equal(expected.real_b, batch.real_b)
            assert expected.names_a == batch.names_a


def test_loading_does_not_affect_the_global_generator(source: Folder) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    images(source)[0]
    assert torch.equal(torch.rand(1), expected)


def test_a_dataset_can_be_sent_to_a_worker(source: Folder) -> None:
    sent = pickle.loads(pickle.dumps(images(source)))
    assert torch.equal(sent[3][0], images(source)[3][0])


@pytest.mark.parametrize("workers", [0, 1])
def test_the_error_names_an_unreadable_image(source: Folder, workers: int) -> None:
    (source.train()[0].folder / "image-0.png").write_text("text")
    with pytest.raises(DataError, match=r"image-0\.png"):
        list(training_batches(images(source), StepBatches(0, 5, 1), workers=workers))


def test_an_augmentation_that_changes_the_shape_is_a_plugin_error(source: Folder) -> None:
    class Cutting(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image[..., :8]

    with pytest.raises(PluginError, match="shape"):
        images(source, Preparation((16, 16), augmentations=(Cutting(),)))[0]


def test_test_images_are_loaded_without_randomness(source: Folder) -> None:
    first = batch_of_tests(source.test()[0], PixelFormat(), PREPARATION, 10)
    assert first.shape == (5, 3, 16, 16)
    assert torch.equal(first, batch_of_tests(source.test()[0], PixelFormat(), PREPARATION, 10))
    assert batch_of_tests(source.test()[0], PixelFormat(), PREPARATION, 2).shape[0] == 2
