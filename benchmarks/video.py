"""Flicker of a translated clip, with the norm statistics of each frame or those of a sample of frames.

    python benchmarks/video.py --output results.json

The scene is static, except for camera noise, drifting brightness, or a bright object that passes on the left. Flicker
is the mean absolute difference between consecutive frames in their right quarter, in 8-bit levels. The flicker of the
original clip is also reported. The generator is a ResNet, untrained unless a run is given.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import options_as_json, report
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
    """Return the clips; each is named after what changes in it."""
    random = np.random.default_rng(0)
    still = np.repeat(scene(size)[None], frames, 0)
    noisy = still + random.normal(0, 0.01, still.shape)
    passing = still.copy()
    for number, frame in enumerate(passing):
        left = number * size // 4 // frames - size // 8
        frame[:, size // 6 : size * 5 // 6, max(left, 0) : left + size // 4] = 0.98
    drift = 1 + 0.15 * np.sin(np.arange(frames) / 3)[:, None, None, None]
    changing = {"noise": noisy, "something passes": passing, "brightness drifts": still * drift}
    return {name: clip.clip(0, 1).astype(np.float32) for name, clip in changing.items()}


def flicker(clip: Clip) -> float:
    """Return the mean absolute change of the frames' right quarter from frame to frame, in 8-bit levels."""
    return float(np.abs(np.diff(clip[..., clip.shape[-1] * 3 // 4 :], axis=0)).mean() * 255)


def per_frame(translator: Translator, clip: Clip) -> Clip:
    """Translate each frame with its own norm statistics."""
    return np.concatenate([translator.translate_whole(torch.from_numpy(frame[None])).numpy() for frame in clip])


def frozen(translator: Translator, clip: Clip, samples: int) -> Clip:
    """Translate all frames with norm statistics collected over `samples` frames."""
    statistics = Statistics()
    for frame in clip[np.linspace(0, len(clip) - 1, samples).astype(int)]:
        with statistics.collecting():
            translator.translate_whole(torch.from_numpy(frame[None]))

    def translate(frame: Clip) -> Clip:
        with statistics.frozen():
            return translator.translate_whole(torch.from_numpy(frame[None])).numpy()

    return np.concatenate([translate(frame) for frame in clip])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="run folder of the model to use; without it, an untrained one")
    parser.add_argument("--size", type=int, default=192, help="side of a frame in pixels")
    parser.add_argument("--frames", type=int, default=24, help="frames per clip")
    parser.add_argument("--samples", type=int, default=16, help="number of frames over which to collect statistics")
    parser.add_argument("--width", type=int, default=32, help="width of the untrained generator")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        if options.run is None:
            write_untrained_model(Path(temporary) / "model", options.size, options.width, 6)
        translator = Translator.load(options.run or Path(temporary) / "model", precision="fp32")
        for name, clip in clips(options.size, options.frames).items():
            translations = {
                "each frame's own": per_frame(translator, clip),
                f"of {options.samples} frames": frozen(translator, clip, options.samples),
            }
            for statistics, translation in translations.items():
                row = {"what changes": name, "statistics": statistics, "flicker": flicker(translation)}
                rows.append({**row, "the clip's own": flicker(clip)})
    report("Flicker", rows, options.output, options=options_as_json(options))


if __name__ == "__main__":
    main()
