from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from cgkit.components.sources.folder import ImageFiles
from cgkit.data.preparation import Preparation
from cgkit.health.flatness import Contrasts, flat_images
from cgkit.images.pixels import PixelFormat

NOISE = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
FLAT = torch.full((1, 3, 8, 8), 0.3)


def test_flat_images_are_counted_and_noted_once() -> None:
    contrasts = Contrasts()
    contrasts.take("a", NOISE, ("1", "2", "3", "4"))
    for _ in range(2):
        contrasts.take("a", torch.cat([NOISE[:1], FLAT]), ("1", "sky"))
    assert contrasts.see(10) == []  # two may be accidents
    contrasts.take("a", FLAT, ("fog",))
    (note,) = contrasts.see(20)
    assert (note.step, note.rule) == (20, "near-constant-images")
    assert "3 of 9 images of domain a have almost no contrast, such as sky, fog" in note.message
    assert contrasts.see(30) == []


def test_a_small_share_of_flat_images_is_not_noted() -> None:
    contrasts = Contrasts()
    for _ in range(100):
        contrasts.take("b", NOISE, ("1", "2", "3", "4"))
    for _ in range(4):
        contrasts.take("b", FLAT, ("sky",))
    assert contrasts.see(100) == []
    contrasts.take("b", FLAT, ("sky",))
    assert len(contrasts.see(101)) == 1


def test_counts_are_restored_from_a_checkpoint() -> None:
    first, second = Contrasts(), Contrasts()
    first.take("a", FLAT.expand(2, -1, -1, -1), ("sky", "fog"))
    second.load(json.loads(json.dumps(first.state())))
    for contrasts in (first, second):
        contrasts.take("a", FLAT, ("sky",))
    assert first.see(5) == second.see(5) != []


def test_flat_files_are_found_before_training(image_folder: Callable[..., Path]) -> None:
    folder = image_folder("a", 5)
    preparation = Preparation((16, 16))
    assert flat_images("a", ImageFiles.of(folder, True), PixelFormat(3), preparation) is None
    for number in range(3):
        Image.new("RGB", (20, 20), (9, 90, 200)).save(folder / f"plain-{number}.png")
    note = flat_images("a", ImageFiles.of(folder, True), PixelFormat(3), preparation)
    assert note is not None
    assert "3 of 8 images of domain a" in note.message
