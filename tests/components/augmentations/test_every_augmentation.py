"""Properties of every built-in augmentation of training images."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.components import cgkit_register
from cgkit.components.augmentations.blur import Blur
from cgkit.components.augmentations.colour_jitter import ColourJitter
from cgkit.components.augmentations.diff_augment import DiffAugment
from cgkit.components.augmentations.flip import Flip
from cgkit.components.augmentations.noise import Noise
from cgkit.components.augmentations.resize_and_crop import ResizeAndCrop
from cgkit.components.augmentations.rotation import RightAngleRotation
from cgkit.options import build, options_of
from cgkit.registry import Registries

EAGER = {
    "flip": Flip(horizontal=0.5, vertical=0.5),
    "rotation": RightAngleRotation(),
    "colour-jitter": ColourJitter(brightness=1.0, contrast=1.0, saturation=1.0, hue=0.5),
    "blur": Blur(sigma_max=4.0, p=1.0),
    "noise": Noise(std=0.5),
}
NEVER = {
    "flip": Flip(horizontal=0.0, vertical=0.0),
    "rotation": RightAngleRotation(p=0.0),
    "colour-jitter": ColourJitter(p=0.0),
    "blur": Blur(p=0.0),
    "noise": Noise(p=0.0),
    "diff-augment": DiffAugment(p=0.0),
}


@st.composite
def images(draw):
    """Draw an image with 1 to 4 channels, rarely square, with random values or only black and white."""
    channels, height, width = draw(st.integers(1, 4)), draw(st.integers(1, 24)), draw(st.integers(1, 24))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    image = torch.rand(1, channels, height, width, generator=generator, dtype=dtype)
    return image.round() if draw(st.booleans()) else image


@pytest.mark.parametrize("name", EAGER)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(image=images(), seed=st.integers(0, 2**31))
def test_shape_dtype_and_range_are_kept_and_the_input_is_not_modified(name, image, seed):
    before = image.clone()
    torch.manual_seed(seed)
    changed = EAGER[name](image)
    assert changed.shape == image.shape
    assert changed.dtype == image.dtype
    assert 0 <= changed.min() <= changed.max() <= 1
    assert torch.equal(image, before)


@pytest.mark.parametrize("name", NEVER)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(image=images())
def test_probability_zero_leaves_images_bit_identical(name, image):
    assert torch.equal(NEVER[name](image), image)


@pytest.mark.parametrize("augmentation", [*EAGER.values(), DiffAugment()], ids=[*EAGER, "diff-augment"])
def test_a_seed_repeats_the_draws_and_other_seeds_differ(augmentation):
    image = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))

    def apply(seed):
        torch.manual_seed(seed)
        return augmentation(image)

    assert torch.equal(apply(1), apply(1))
    assert any(not torch.equal(apply(1), apply(seed)) for seed in range(2, 12))


REGISTRIES = Registries()
cgkit_register(REGISTRIES)


@pytest.mark.parametrize("component", list(REGISTRIES.augmentations), ids=lambda component: component.name)
def test_it_can_be_built_from_a_spec_and_documents_every_option(component):
    assert all(option.meaning for option in options_of(component).values())
    augmentation = build(component, options={})
    roles = {"resize-and-crop": "framing", "diff-augment": "adversarial"}
    assert augmentation.role == roles.get(component.name, "data")


def test_a_seed_repeats_the_framing():
    image = torch.rand(1, 3, 20, 30)
    framing = ResizeAndCrop(scale=2.0)
    windows = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        windows.append(framing(image, (8, 12)))
    assert torch.equal(windows[0], windows[1])
    assert not torch.equal(windows[0], windows[2])
