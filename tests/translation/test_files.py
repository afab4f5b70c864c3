"""Files are translated in batches, in order, and errors concern only their own file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cgkit.abilities import mixes_samples
from cgkit.errors import DataError, UsageError
from cgkit.translation.files import Skipped, translate_files
from tests.conftest import load_image
from tests.faults.faults import time_limit
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


def test_an_older_source_that_keeps_its_time_is_translated_again(image_folder: Folder, tmp_path: Path) -> None:
    inputs, older = image_folder("inputs", count=2), image_folder("older", count=1, seed=1)
    os.utime(older / "image-0.png", (1_000_000_000, 1_000_000_000))
    translator = make_translator(nn.Identity())
    list(translate_files(translator, [inputs], tmp_path / "out"))
    (older / "image-0.png").replace(inputs / "image-0.png")
    first, second = translate_files(translator, [inputs], tmp_path / "out")
    assert first == tmp_path / "out" / "image-0.png"
    assert isinstance(second, Skipped)


@pytest.mark.parametrize("content", [b"", b"other"])
def test_a_translation_that_is_not_what_was_written_is_written_again(
    image_folder: Folder, tmp_path: Path, content: bytes
) -> None:
    inputs, out = image_folder("inputs", count=2), tmp_path / "out"
    translator = make_translator(nn.Identity())
    list(translate_files(translator, [inputs], out))
    before = (out / "image-0.png").read_bytes()
    (out / "image-0.png").write_bytes(content)
    first, second = translate_files(translator, [inputs], out)
    assert first == out / "image-0.png"
    assert isinstance(second, Skipped)
    assert (out / "image-0.png").read_bytes() == before


def test_a_record_that_was_cut_off_costs_only_its_last_file(image_folder: Folder, tmp_path: Path) -> None:
    inputs, out = image_folder("inputs", count=3), tmp_path / "out"
    translator = make_translator(nn.Identity())
    list(translate_files(translator, [inputs], out))
    lines = out / ".cgkit-translation.jsonl"
    os.truncate(lines, lines.stat().st_size - 5)
    results = list(translate_files(translator, [inputs], out))
    assert [isinstance(result, Skipped) for result in results].count(False) == 1
    assert all(isinstance(result, Skipped) for result in translate_files(translator, [inputs], out))


def test_two_models_do_not_mix_in_one_folder(image_folder: Folder, tmp_path: Path) -> None:
    inputs, out = image_folder("inputs", count=40), tmp_path / "out"
    first = translate_files(make_translator(nn.Identity()), [inputs], out, batch=1)
    next(first)
    other = RecordingNegative()
    other.register_buffer("weight", torch.zeros(1))  # which distinguishes the models
    list(translate_files(make_translator(other), [inputs], out, overwrite=True))
    with pytest.raises(UsageError, match="another model, or another direction, has begun to write"):
        list(first)
    for file in inputs.iterdir():
        source, translation = (np.asarray(load_image(folder / file.name)) for folder in (inputs, out))
        assert np.array_equal(translation, 255 - source)


def test_a_pipe_among_the_inputs_does_not_hold_up_the_others(image_folder: Folder, tmp_path: Path) -> None:
    inputs = image_folder("inputs", count=1)
    for name in ("pipe.png", "pipe.mp4", "pipe.npy"):
        os.mkfifo(inputs / name)
    files = [inputs / name for name in ("pipe.png", "pipe.mp4", "pipe.npy", "image-0.png")]
    with time_limit():
        *errors, written = translate_files(make_translator(nn.Identity()), files, tmp_path / "out")
    assert written == tmp_path / "out" / "image-0.png"
    assert all(isinstance(error, DataError) and "not a regular file" in str(error) for error in errors)
