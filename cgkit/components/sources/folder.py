"""Images in two folders, one per domain."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Lt
from PIL import Image

from cgkit.contracts import Extra, ImageRecord, Size
from cgkit.errors import DataError
from cgkit.files.holding_out import first_by_digest
from cgkit.files.image_files import describe_kinds, list_images, survey_names

SHOWN = 3
"""Maximum number of unmatched names that an error message lists."""


Extras = dict[Extra, Path]


class Folder:
    """Images in two folders, one per domain.

    Args:
        a: the folder of domain a's images.
        b: the folder of domain b's images.
        test_a: the folder of domain a's test images; without it, a fraction of the images in `a` is held out.
        test_b: the folder of domain b's test images; required if `test_a` is given.
        held_out: the fraction of each folder's images to hold out for testing if there are no test folders; if it is 0,
            the training images are also the test images.
        aligned: whether test images with the same name show the same scene, which serves as the ground truth.
        recursive: whether to search subfolders.
        extras_a: folders with what belongs to the training images of `a`, in files with the same names: `mask` (white
            where a term of the objective applies), `label` (class numbers from 0 to 255, as 8-bit grey) or `partner`
            (the same scene in domain b). Images without such a file are allowed.
        extras_b: the same for the training images of `b`.
    """

    def __init__(
        self,
        size: Size,
        *,
        a: Path,
        b: Path,
        test_a: Path | None = None,
        test_b: Path | None = None,
        held_out: Annotated[float, Ge(0), Lt(1)] = 0.1,
        aligned: bool = False,
        recursive: bool = True,
        extras_a: Extras | None = None,
        extras_b: Extras | None = None,
    ) -> None:
        if (test_a is None) != (test_b is None):
            raise ValueError("test_a and test_b belong together: give both, or neither")
        if a.resolve() == b.resolve():
            raise DataError(f"{a} is given for both domains")
        self.aligned = aligned
        self.names = _name_domains(a, b)
        if test_a is not None and test_b is not None:
            found = [ImageFiles.of(folder, recursive) for folder in (a, b, test_a, test_b)]
            self._train, self._test = (found[0], found[1]), (found[2], found[3])
        else:
            found = [ImageFiles.of(folder, recursive) for folder in (a, b)]
            split_a, split_b = (files.split(held_out) for files in found)
            self._train = split_a[0], split_b[0]
            self._test = split_a[1], split_b[1]
        if aligned:
            self._test = _align(*self._test)
        train_a, train_b = self._train
        self._train = train_a.with_extras(extras_a or {}, recursive), train_b.with_extras(extras_b or {}, recursive)
        self.ignored = {str(files.folder): files.ignored for files in found if files.ignored}

    @staticmethod
    def example(folder: Path) -> dict[str, Path]:
        """Write a few small images to two folders, and return options that refer to them."""
        for side, colour in (("a", "steelblue"), ("b", "orange")):
            (folder / side).mkdir()
            for number in range(4):
                Image.new("RGB", (48, 40 + number), colour).save(folder / side / f"{number}.png")
        return {side: folder / side for side in "ab"}

    def train(self) -> tuple[ImageFiles, ImageFiles]:
        """Return the training images of both domains."""
        return self._train

    def test(self) -> tuple[ImageFiles, ImageFiles]:
        """Return the test images of both domains."""
        return self._test


def _name_domains(a: Path, b: Path) -> tuple[str, str] | None:
    """Return what two folders call their images; None if their names say nothing.

    `trainA` and `trainB` in `horse2zebra` hold horses and zebras.
    """
    if a.parent == b.parent and (a.name[:-1], a.name[-1:], b.name[-1:]) == (b.name[:-1], "A", "B"):
        first, middle, second = a.parent.name.partition("2")
        return (first, second) if first and middle and second else None
    return None if a.name == b.name or min(len(a.name), len(b.name)) < 2 else (a.name[:40], b.name[:40])


class ImageFiles:
    """The image files of one domain, sorted by name."""

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        extras: Mapping[str, Mapping[str, Path]] | None = None,
        ignored: str = "",
    ) -> None:
        self.folder = folder
        self.ignored = ignored
        """The other files in the folder, as text."""
        self.names = tuple(names)
        self.extras = extras or {}
        """For each of `mask`, `label` and `partner`, the files that belong to images, by the image's name."""

    @classmethod
    def of(cls, folder: Path, recursive: bool) -> ImageFiles:
        """Find the images in a folder.

        Raises:
            DataError: the folder does not exist, cannot be read, or contains no images.
        """
        names, others = survey_names(folder, recursive=recursive)
        return cls(folder, names, ignored=describe_kinds(others))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> ImageRecord:
        name = self.names[index]
        if not self.extras:
            return ImageRecord(name, path=self.folder / name)
        own = {extra: files[name] for extra, files in self.extras.items() if name in files}
        records = {extra: ImageRecord(file.name, path=file) for extra, file in own.items()}
        return ImageRecord(name, path=self.folder / name, extras=records)

    def paths(self) -> Iterator[str]:
        """Return the paths of all images, in the order of the indices."""
        folder = str(self.folder).removesuffix("/") + "/"
        return (folder + name for name in self.names)

    def fingerprint(self) -> str:
        """Return a digest of the names and file sizes, as they are when it is first asked for."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        sizes = (os.stat(path).st_size for path in self.paths())  # noqa: PTH116 - of perhaps 200,000 files
        text = "".join(f"{name}\0{size}\n" for name, size in zip(self.names, sizes, strict=True))
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape"))
        for extra, files in self.extras.items():
            for name, file in sorted(files.items()):
                digest.update(f"{extra}\0{name}\0{file.stat().st_size}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def with_extras(self, folders: Mapping[Extra, Path], recursive: bool) -> ImageFiles:
        """Return these images with the files of the same names in other folders.

        Raises:
            DataError: a folder cannot be read, or none of its files belongs to one of these images.
        """
        extras: dict[str, dict[str, Path]] = {}
        for extra, folder in folders.items():
            by_stem = {_stem(file.relative_to(folder)): file for file in list_images(folder, recursive=recursive)}
            extras[extra] = {name: by_stem[_stem(name)] for name in self.names if _stem(name) in by_stem}
            if not extras[extra]:
                raise DataError(
                    f"{folder}: no {extra} has the name of a training image in {self.folder}",
                    hint=f"name each {extra} like its image, such as {_stem(self.names[0])}.png",
                )
        return ImageFiles(self.folder, self.names, extras)

    def split(self, share: float) -> tuple[ImageFiles, ImageFiles]:
        """Split into training images and a fraction `share` of held-out images by the digests of their names.

        Adding an image later moves few other images between the two parts. Neither part is empty: if there is only one
        image or `share` is 0, both parts contain all images.
        """
        count = min(round(share * len(self)) or 1, len(self) - 1) if share else 0
        if count == 0:
            return self, self
        held_out = first_by_digest(self.names, count)
        return (
            ImageFiles(self.folder, [name for name in self.names if name not in held_out]),
            ImageFiles(self.folder, [name for name in self.names if name in held_out]),
        )


def _stem(name: str | Path) -> str:
    return (name if isinstance(name, str) else name.as_posix()).rpartition(".")[0]


def _align(test_a: ImageFiles, test_b: ImageFiles) -> tuple[ImageFiles, ImageFiles]:
    """Return the test images sorted by their common names, ignoring suffixes.

    Raises:
        DataError: a name occurs in only one of the folders.
    """
    by_stem_a, by_stem_b = ({_stem(name): name for name in files.names} for files in (test_a, test_b))
    if unmatched := sorted(by_stem_a.keys() ^ by_stem_b.keys()):
        more = f" and {len(unmatched) - SHOWN} more" if len(unmatched) > SHOWN else ""
        raise DataError(
            "aligned test images need the same names in both folders, but these are in only one: "
            f"{', '.join(unmatched[:SHOWN])}{more}",
            hint="set aligned = false, or add test_a and test_b",
        )
    stems = sorted(by_stem_a)
    return (
        ImageFiles(test_a.folder, [by_stem_a[stem] for stem in stems]),
        ImageFiles(test_b.folder, [by_stem_b[stem] for stem in stems]),
    )
