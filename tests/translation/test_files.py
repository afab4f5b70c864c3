"""Files are translated in batches, in order, and errors concern only their own file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor, nn

from cgkit.abilities import mixes_samples
from cgkit.errors import DataError
from cgkit.translation.files import translate_files
from tests.conftest import load_image
from tests.translation.untrained import make_translator

Folder = Callable[..., Path]


class RecordingNegative(nn.Module):
    """Inverts images, and records their shapes."""

    def __init__(self, *, mixes: bool = False) -> None:
        super().__init__()
        self.mixes_samples = mixes
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.shapes.append(tuple(images.shape))
        if images.shape[-1] < 8:
            raise ValueError("at least 8 pixels are required")
        return -images


def test_consecutive_images_of_one_size_form_a_batch_and_keep_their_order(image_folder: Folder, tmp_path: Path) -> None:
    inputs = image_folder("inputs", count=7, size=(16, 12))
    Image.new("RGB", (10, 9), "red").save(inputs / "image-4.png")
    (inputs / "image-2.png").write_bytes(b"no image")
    generator = RecordingNegative()
    results = list(translate_files(make_translator(generator), [inputs], tmp_path / "out", batch=3))
    assert generator.shapes == [(2, 3, 12, 16), (1, 3, 12, 16), (1, 3, 9, 10), (2, 3, 12, 16)]
    assert isinstance(results.pop(2), DataError)
    assert results == [tmp_path / "out" / f"image-{number}.png" for number in (0, 1, 3, 4, 5, 6)]
    for number in (0, 1, 3, 4, 5, 6):
        source, translation = (
            np.asarray(load_image(folder / f"image-{number}.png")) for folder in (inputs, tmp_path / "out")
        )
        assert np.array_equal(translation, 255 - source)


def test_a_generator_that_mixes_samples_gets_one_image_at_a_time(image_folder: Folder, tmp_path: Path) -> None:
    generator = RecordingNegative(mixes=True)
    assert mixes_samples(generator)
    list(translate_files(make_translator(generator), [image_folder("inputs", count=3)], tmp_path / "out", batch=3))
    assert [shape[0] for shape in generator.shapes] == [1, 1, 1]


def test_images_that_the_generator_refuses_are_reported_by_name_and_the_others_written(
    image_folder: Folder, tmp_path: Path
) -> None:
    inputs = image_folder("inputs", count=2, size=(16, 12))
    Image.new("RGB", (4, 4)).save(inputs / "small.png")
    *written, error = translate_files(make_translator(RecordingNegative()), [inputs], tmp_path / "out", batch=4)
    assert len(written) == 2
    assert str(error) == f"{inputs / 'small.png'}: at least 8 pixels are required"


def test_stopping_early_writes_only_images_that_were_in_progress(image_folder: Folder, tmp_path: Path) -> None:
    results = translate_files(
        make_translator(RecordingNegative()), [image_folder("inputs", count=40)], tmp_path / "out", batch=2
    )
    next(results)
    results.close()
    written = sorted((tmp_path / "out").glob("image*"))
    assert 1 <= len(written) < 12
    for file in written:
        load_image(file)
