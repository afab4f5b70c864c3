"""How much a translated clip flickers whose norms take the statistics of each frame, or of some frames for all.

    python benchmarks/video.py --output results.json

The scene stands still; what changes is noise of the camera, or its brightness, or something bright that passes on the
left. Flicker is the mean absolute difference between one frame and the next, in levels of 255, in the quarter on the
right, and beside it that of the clip itself. The generator is ResNet, untrained unless a run is given.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import report
from numpy.typing import NDArray
from translation import write_untrained_model

from cgkit.components.sources.seasons import Seasons
from cgkit.tiling.norm_statistics import Statistics
from cgkit.translation.translator import Translator

Clip = NDArray[np.float32]


def scene(size: int) -> Clip:
    """Return a landscape, `(3, H, W)` in [0, 1]."""
    render = Seasons((size, size), train=1, test=1).test()[0][0].render
    assert render is not None
    return render()


def clips(size: int, frames: int) -> dict[str, Clip]:
    """Return the clips by what changes in them."""
    random = np.random.default_rng(0)
    still = np.repeat(scene(size)[None], frames, 0)
    noisy = still + random.normal(0, 0.01, still.shape)
    passing = still.copy()
    for number, frame in enumerate(passing):
        left = number * size // 4 // frames - size // 8
        frame[:, size // 6 : size * 5 // 6, max(left, 0) : left + size // 4] = 0.98
    drift = 1 + 0.15 * np.sin(np.arange(frames) / 3)[:, None, None, None]
    made = {"noise": noisy, "something passes": passing, "brightness drifts": still * drift}
    return {name: clip.clip(0, 1).astype(np.float32) for name, clip in made.items()}


def flicker(clip: Clip) -> float:
    """Return how much the right quarter changes from frame to frame, in levels."""
    return float(np.abs(np.diff(clip[..., clip.shape[-1] * 3 // 4 :], axis=0)).mean() * 255)


def per_frame(translator: Translator, clip: Clip) -> Clip:
    """Translate each frame with its own statistics."""
    return np.concatenate([translator.translate_whole(torch.from_numpy(frame[None])).numpy() for frame in clip])


def frozen(translator: Translator, clip: Clip, samples: int) -> Clip:
    """Translate all frames with the statistics of some."""
    statistics = Statistics()
    for frame in clip[np.linspace(0, len(clip) - 1, samples).astype(int)]:
        with statistics.collecting():
            translator.translate_whole(torch.from_numpy(frame[None]))

    def translated(frame: Clip) -> Clip:
        with statistics.frozen():
            return translator.translate_whole(torch.from_numpy(frame[None])).numpy()

    return np.concatenate([translated(frame) for frame in clip])


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run folder whose model is used")
    parser.add_argument("--size", type=int, default=192, help="pixels a side")
    parser.add_argument("--frames", type=int, default=24, help="in a clip")
    parser.add_argument("--samples", type=int, default=16, help="frames that statistics are taken from")
    parser.add_argument("--width", type=int, default=32, help="of the untrained generator")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        if options.run is None:
            write_untrained_model(Path(name) / "model", options.size, options.width, 6)
        translator = Translator.load(options.run or Path(name) / "model", precision="fp32")
        for what, clip in clips(options.size, options.frames).items():
            ways: dict[str, Callable[[Clip], Clip]] = {
                "each frame's own": lambda one: per_frame(translator, one),
                f"of {options.samples} frames": lambda one: frozen(translator, one, options.samples),
            }
            for statistics, translate in ways.items():
                made = flicker(translate(clip))
                rows.append(
                    {"what changes": what, "statistics": statistics, "flicker": made, "the clip's own": flicker(clip)}
                )
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}
    report("Flicker", rows, options.output, options=settings)


if __name__ == "__main__":
    main()
