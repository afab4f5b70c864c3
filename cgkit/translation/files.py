"""Translating image files, each into a file of the same name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from cgkit.data.images import read_image, write_image
from cgkit.errors import DataError, UsageError
from cgkit.listing import list_images
from cgkit.translation.translator import Translator


def translate_files(translator: Translator, inputs: Sequence[Path], output: Path) -> Iterator[Path | DataError]:
    """Translate files, and all images of folders; yield each file written, or why one was not.

    Names and formats stay as they are, and a folder's images keep their place in it.

    Raises:
        UsageError: two inputs would be written to one file, or an input would be overwritten.
        DataError: a folder holds no images.
    """
    targets = _targets(inputs, output)
    background = translator.info.spec.data.background
    for source, target in targets:
        try:
            image = read_image(source, channels=translator.in_channels, background=background)
            translated = _translated(translator, image, source)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_image(translated, target)
        except DataError as error:
            yield error
        else:
            yield target


def _targets(inputs: Sequence[Path], output: Path) -> list[tuple[Path, Path]]:
    targets: dict[Path, Path] = {}
    for given in inputs:
        folder = given if given.is_dir() else given.parent
        for source in list_images(given) if given.is_dir() else [given]:
            target = output / source.relative_to(folder)
            if target in targets:
                raise UsageError(
                    f"{targets[target]} and {source} would both be written to {target}",
                    hint="translate them into different folders",
                )
            if target.exists() and source.exists() and target.samefile(source):
                raise UsageError(f"{source} would be overwritten", hint="choose another --output")
            targets[target] = source
    return [(source, target) for target, source in targets.items()]


def _translated(translator: Translator, image: Tensor, source: Path) -> Tensor:
    try:
        return translator(image)
    except ValueError as error:  # what a generator raises where an image is too small for it
        raise DataError(f"{source}: {error}") from error
