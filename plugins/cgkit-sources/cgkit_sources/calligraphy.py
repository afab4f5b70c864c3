"""Chinese characters in two hands, drawn with fonts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from cgkit.contracts import Size
from cgkit.errors import DataError
from cgkit_sources.fonts import FONTS, get_font
from cgkit_sources.packaged import digest_of
from cgkit_sources.pictures import Pictures

Hand = Literal["print", "brush", "running", "cursive"]

TESTS = 15
"""One of so many characters is a test character."""


class Calligraphy:
    """Chinese characters in two hands: print, brush (regular script), running script or cursive (grass script).

    The characters are the 3755 most frequent ones, level 1 of the standard GB 2312. The two domains are trained on
    different characters, and tested on the same ones, which are in neither. Images are grey: set `channels = 1`.

    Args:
        a: the hand of domain a.
        b: the hand of domain b.
        folder: a folder with the fonts as `NAME.woff2`, such as `ma-shan-zheng.woff2`, instead of downloading them.
    """

    aligned = True

    def __init__(self, size: Size, *, a: Hand = "print", b: Hand = "brush", folder: Path | None = None) -> None:
        if a == b:
            raise ValueError(f"both domains are {a}")
        self.names = (a, b)
        files = [get_font(hand) if folder is None else folder / f"{FONTS[hand].name}.woff2" for hand in (a, b)]
        draws = [Character(file, size) for file in files]
        renderer = f"freetype {features.version('freetype2')}"
        facts = [f"calligraphy-1 {size[0]}x{size[1]} {renderer} {digest_of(file)}" for file in files]
        split = split_characters()

        def pictures(side: int, part: str) -> Pictures:
            shown = split[part]
            return Pictures(draws[side], tuple(shown), tuple(f"U+{ord(one):04X}" for one in shown), facts[side])

        self._train = pictures(0, "a"), pictures(1, "b")
        self._test = pictures(0, "test"), pictures(1, "test")

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Write a font of Latin letters under the names of two hands, and return options that refer to them."""
        font = ImageFont.load_default(16)
        assert isinstance(font, ImageFont.FreeTypeFont)
        stream: Any = font.path
        for hand in ("print", "brush"):
            (folder / f"{FONTS[hand].name}.woff2").write_bytes(stream.getvalue())
        return {"folder": str(folder)}

    def train(self) -> tuple[Pictures, Pictures]:
        """Return the training characters: some in one hand, and others in the other."""
        return self._train

    def test(self) -> tuple[Pictures, Pictures]:
        """Return the test characters, in both hands."""
        return self._test


@dataclass(frozen=True)
class Character:
    """Draws characters with a font.

    Attributes:
        file: the font.
        size: height and width of the picture.
    """

    file: Path
    size: Size

    def __call__(self, character: str) -> NDArray[np.float32]:
        """Return a character, black on white and in the middle, float32 `(1, height, width)` in [0, 1]."""
        height, width = self.size
        font = open_font(self.file, max(round(0.84 * min(self.size)), 1))
        picture = Image.new("L", (width, height), 255)
        left, top, right, bottom = font.getbbox(character)
        place = round((width - left - right) / 2), round((height - top - bottom) / 2)
        ImageDraw.Draw(picture).text(place, character, font=font, fill=0)
        return np.asarray(picture, np.float32)[None] / np.float32(255)


@cache  # once in each process
def open_font(file: Path, size: int) -> ImageFont.FreeTypeFont:
    """Return a font at a size in pixels.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return ImageFont.truetype(str(file), size)
    except OSError as error:
        raise DataError(f"{file} cannot be read as a font: {error}") from error


def characters() -> list[str]:
    """Return the 3755 characters of level 1 of GB 2312."""
    codes = (bytes((row, cell)) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF))
    return [text for code in codes if (text := code.decode("gb2312", errors="ignore"))]


def split_characters() -> dict[str, list[str]]:
    """Return the characters for testing, and for training in domains a and b."""
    every = characters()
    split: dict[str, list[str]] = {"a": [], "b": [], "test": []}
    for number, place in enumerate(np.random.default_rng(0).permutation(len(every))):
        split["test" if number % TESTS == 0 else "ab"[number % 2]].append(every[place])
    return split
