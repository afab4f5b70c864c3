"""The sources themselves: their sizes, their splits, and what is said if a package or the network is missing."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cgkit_sources import fonts
from cgkit_sources.brain import Brain
from cgkit_sources.calligraphy import Calligraphy, characters
from cgkit_sources.earth import Earth
from cgkit_sources.packaged import packaged_files

from cgkit.contracts import Source
from cgkit.errors import DataError

SIZE = (64, 64)


def opened(build: Any, **options: Any) -> Source:
    """Build a source; skip the test if its package is not installed or its font cannot be downloaded."""
    try:
        source: Source = build(SIZE, **options)
    except DataError as error:
        if "is not installed" in error.message or "cannot be downloaded" in error.message:
            pytest.skip(error.message)
        raise
    return source


def sizes(source: Source) -> list[int]:
    return [len(domain) for domain in (*source.train(), *source.test())]


def names(source: Source) -> list[set[str]]:
    return [{domain[n].name for n in range(len(domain))} for domain in (*source.train(), source.test()[0])]


def picture(domain: Any, index: int) -> np.ndarray:
    pixels: np.ndarray = domain[index].render()
    return pixels


@pytest.mark.parametrize("build", [Earth, Brain, Calligraphy])
def test_no_image_is_in_two_splits_and_test_images_are_pairs(build: Any) -> None:
    source = opened(build)
    a, b, test = names(source)
    assert not a & b
    assert not test & (a | b)
    first, second = source.test()
    assert [first[n].name for n in range(len(first))] == [second[n].name for n in range(len(second))]


def test_tiles_of_the_earth_share_no_pixel_with_tiles_of_another_split() -> None:
    source = opened(Earth)
    assert sizes(source) == [198, 206, 68, 68]
    corners = [[tuple(map(int, name.split("-"))) for name in split] for split in names(source)]
    for first, second in product(corners, corners):
        if first is not second:
            apart = np.abs(np.array(first)[:, None] - np.array(second)).max(-1)
            assert apart.min() >= 128


def test_the_sea_of_photographs_is_sea_on_their_own_maps() -> None:
    # Not all of it: the map shows many lakes like land.
    photographs, maps = opened(Earth).test()

    def agreement(shift: int) -> float:
        found = []
        for index in range(len(photographs)):
            photograph, relief = picture(photographs, index), picture(maps, (index + shift) % len(maps))
            sea = (photograph[2] > photograph[0] + 0.2) & (photograph.sum(0) < 1)
            found.append(relief[2][sea] > 0.9)
        return float(np.concatenate(found).mean())

    assert agreement(0) > 0.7
    assert agreement(len(maps) // 2) < 0.4


def test_slices_of_a_test_block_are_apart_from_training_slices() -> None:
    source = opened(Brain)
    assert sizes(source) == [64, 59, 16, 16]
    a, b, test = ({int(name.split("-")[1]) for name in split} for split in names(source))
    assert min(abs(one - other) for one in test for other in a | b) > 2


def test_grey_matter_lies_within_the_head() -> None:
    scans, maps = opened(Brain).test()
    for index in range(0, len(scans), 5):
        assert picture(scans, index)[picture(maps, index) > 0.5].min() > 0.1


def test_both_hands_have_every_character() -> None:
    assert len(characters()) == 3755
    source = opened(Calligraphy)
    assert sizes(source) == [1752, 1752, 251, 251]
    for domain in (*source.train(), *source.test()):
        drawn = {picture(domain, index).tobytes() for index in range(len(domain))}
        assert len(drawn) >= len(domain) - 1  # a missing character would be drawn as the same box


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(DataError, match="atlas-data is not installed") as caught:
        packaged_files("no_such_package.data", "atlas-data", "earth", {})
    assert caught.value.hint == 'pip install "cgkit-sources[earth]"'


def test_another_file_in_a_package_is_refused() -> None:
    with pytest.raises(DataError, match="SHA-256 differs"):
        packaged_files("cgkit_sources", "cgkit-sources", "earth", {"__init__.py": "0" * 64})


def test_a_font_that_cannot_be_downloaded_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"ma-shan-zheng cannot be downloaded from https://registry\.npmjs\.org"):
        fonts.get_font("brush")
    assert list(tmp_path.iterdir()) == []


def test_equal_hands_are_refused() -> None:
    with pytest.raises(ValueError, match="both domains are brush"):
        Calligraphy(SIZE, a="brush", b="brush")
