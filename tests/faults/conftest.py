"""A finished run with every file that a run may have."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgkit.cli import main
from cgkit.health.notes import Note

SETTINGS = (
    *("--set", "train.ema=0.9", "--set", "samples.every=2", "--set", "evaluation.every=2"),
    *("--set", "evaluation.best=psnr"),
)


@pytest.fixture(scope="session")
def intact(tmp_path_factory: pytest.TempPathFactory, tiny_text: str) -> Path:
    """A folder with the run `run`, whose learning rate has changed after step 4 of 6, and `photo.png`."""
    folder = tmp_path_factory.mktemp("intact")
    (folder / "spec.toml").write_text(tiny_text)
    change = ("--set", "train.steps=6", "--set", "train.learning_rate=0.001", "--change", "train.learning_rate")
    for options in ((), change):
        with pytest.raises(SystemExit) as stop:
            main(["--no-plugins", "run", f"{folder}/spec.toml", "--output", f"{folder}/run", *SETTINGS, *options])
        assert not stop.value.code
    notes = [Note(2, "copying", "a2b", "a message", "advice"), Note(4, "copying", None, "a message", "advice")]
    (folder / "run" / "health.jsonl").write_text("".join(json.dumps(asdict(note)) + "\n" for note in notes))
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    return folder
