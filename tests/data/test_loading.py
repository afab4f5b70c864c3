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
from cgkit.data.loading import Preparation, UnpairedImages, batch_of_tests, training_batches
from cgkit.data.sampling import StepBatches
from cgkit.errors import DataError, PluginError
from cgkit.images.pixels import PixelFormat

PREPARATION = Preparation((16, 16), framing=ResizeAndCrop(), augmentations=(Flip(), Noise(std=0.1)))


@pytest.fixture
def source(image_folder: Callable[..., Path]) -> Folder:
    return Folder((16, 16), a=image_folder("a", 5), b=image_folder("b", 3), held_out=0.0)


def images(source: Folder, preparation: Preparation = PREPARATION, seed: int = 0) -> UnpairedImages:
    return UnpairedImages(source.train(), (PixelFormat(), PixelFormat()), preparation, seed)


def test_any_position_can_be_asked_for_in_any_order(source: Folder) -> None:
    forwards = [images(source)[position] for position in range(8)]
    backwards = [images(source)[position] for position in reversed(range(8))]
    for one, other in zip(forwards, reversed(backwards), strict=True):
        assert torch.equal(one[0], other[0])
        assert one[2:] == other[2:]


def test_images_are_in_the_range_that_networks_see(source: Folder) -> None:
    image_a, image_b, *_ = images(source)[0]
    assert image_a.shape == image_b.shape == (3, 16, 16)
    assert image_a.min() >= -1
    assert image_a.max() <= 1
    assert image_a.min() < -0.5


def test_a_position_seen_again_in_a_later_epoch_is_augmented_anew(source: Folder) -> None:
    seen: dict[str, list[torch.Tensor]] = {}
    for position in range(10):
        image, _, name, _ = images(source)[position]
        seen.setdefault(name, []).append(image)
    assert all(len(both) == 2 and not torch.equal(*both) for both in seen.values())


def test_workers_change_no_bit(source: Folder) -> None:
    batches = [list(training_batches(images(source), StepBatches(0, 4, 2), workers=workers)) for workers in (0, 1, 2)]
    for others in batches[1:]:
        for one, other in zip(batches[0], others, strict=True):
            assert torch.equal(one.real_a, other.real_a)
            assert torch.equal(one.real_b, other.real_b)
            assert one.names_a == other.names_a


def test_reading_leaves_the_global_draws_alone(source: Folder) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    images(source)[0]
    assert torch.equal(torch.rand(1), expected)


def test_a_dataset_can_be_sent_to_a_worker(source: Folder) -> None:
    sent = pickle.loads(pickle.dumps(images(source)))
    assert torch.equal(sent[3][0], images(source)[3][0])


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_read_is_named(source: Folder, workers: int) -> None:
    (source.train()[0].folder / "image-0.png").write_text("text")
    with pytest.raises(DataError, match=r"image-0\.png"):
        list(training_batches(images(source), StepBatches(0, 5, 1), workers=workers))


def test_an_augmentation_that_changes_the_shape_is_a_plugins_fault(source: Folder) -> None:
    class Cutting(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image[..., :8]

    with pytest.raises(PluginError, match="shape"):
        images(source, Preparation((16, 16), augmentations=(Cutting(),)))[0]


def test_test_images_have_no_randomness(source: Folder) -> None:
    first = batch_of_tests(source.test()[0], PixelFormat(), PREPARATION, 10)
    assert first.shape == (5, 3, 16, 16)
    assert torch.equal(first, batch_of_tests(source.test()[0], PixelFormat(), PREPARATION, 10))
    assert batch_of_tests(source.test()[0], PixelFormat(), PREPARATION, 2).shape[0] == 2
