from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cgkit.components.sources.folder import ImageFiles
from cgkit.components.sources.seasons import Seasons
from cgkit.health.data import COMPARED, duplicates, starved
from cgkit.spec import Spec
from tests.health.test_watch import RUN


def files(folder: Path) -> tuple[ImageFiles, array[int]]:
    images = ImageFiles.of(folder, recursive=True)
    return images, array("q", [Path(path).stat().st_size for path in images.paths()])


def test_only_domains_whose_images_are_shown_too_often_are_data_starved() -> None:
    spec = Spec.model_validate({"train": {"batch": 4, "accumulate": 2}})
    circumstances = replace(RUN, spec=spec, steps=1000, images=(7, 8))
    (note,) = starved(circumstances)
    assert "7 training images of domain a is shown 1143 times" in note.message
    assert "train.steps = 875" in note.advice
    assert starved(replace(circumstances, augmented=True)) == []


def test_the_published_recipe_is_not_data_starved() -> None:
    assert starved(replace(RUN, steps=200 * 400, images=(400, 400))) == []


def test_identical_files_in_both_domains_are_found_under_any_name(image_folder: Callable[..., Path]) -> None:
    a, b = files(image_folder("a", 6)), files(image_folder("b", 6))
    assert duplicates((a, b), (a, b)) == []
    for number in range(4):
        (b[0].folder / f"other-{number}.png").write_bytes((a[0].folder / f"image-{number}.png").read_bytes())
    both = a, files(b[0].folder)
    (note,) = duplicates(both, both)
    assert "other-0.png, other-1.png, other-2.png and 1 more are in both domains" in note.message


def test_a_training_image_among_the_test_images_is_found(image_folder: Callable[..., Path]) -> None:
    train = files(image_folder("a")), files(image_folder("b"))
    test_a, test_b = image_folder("test_a"), image_folder("test_b")
    (test_b / "leaked.png").write_bytes((train[1][0].folder / "image-2.png").read_bytes())
    (note,) = duplicates(train, (files(test_a), files(test_b)))
    assert "leaked.png is among both the training and the test images of domain b" in note.message


def test_of_very_many_files_some_are_compared_and_the_note_says_so(tmp_path: Path) -> None:
    count = COMPARED // 2 + 100
    for side in "ab":
        (tmp_path / side).mkdir()
        for number in range(count):
            (tmp_path / side / f"{number}.png").write_bytes(b"x" * (1 + number % 50))
    both = files(tmp_path / "a"), files(tmp_path / "b")
    (note,) = duplicates(both, both)
    assert "in both domains (not all files were compared): " in note.message
    assert 0 < int(note.message.split(" more are")[0].rpartition(" ")[2].replace(",", "")) < count


def test_rendered_images_have_no_files_to_compare() -> None:
    source = Seasons((16, 16), train=3, test=3)
    train, test = (tuple((domain, [0] * 3) for domain in split) for split in (source.train(), source.test()))
    assert duplicates(train, test) == []
