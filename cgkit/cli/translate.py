"""`cgkit translate`: apply a trained model to image files and videos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cgkit.cli import console, options
from cgkit.cli.file_progress import file_progress
from cgkit.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator

    from cgkit.translation.files import Skipped


@click.command()
@options.model
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for the translations.")
@options.direction
@options.weights
@options.device
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32", "tf32"]),
    help="Precision of the computation; auto is bf16 if the hardware supports it natively. "
    "[default: as trained; fp32 for more than 8 bits]",
)
@click.option(
    "--batch", type=click.IntRange(1, 4096), default=4, show_default=True, help="Maximum number of images per batch."
)
@click.option(
    "--format",
    "file_format",
    metavar="SUFFIX",
    help="Image format to write: png, jpg, webp, tiff, bmp, npy, npz, or a suffix of an installed plugin's. "
    "[default: that of each image, or png or tiff if it cannot hold the translation]",
)
@click.option(
    "--tile",
    default="auto",
    show_default=True,
    help="Images to translate in tiles: auto for large ones, never for none, or a tile size in pixels for all.",
)
@click.option(
    "--tiling",
    type=click.Choice(["exact", "thumbnail", "independent"]),
    default="exact",
    show_default=True,
    help="exact gives the same result as the whole image; thumbnail and independent are faster approximations.",
)
@click.option("--max-pixels", type=click.IntRange(1), help="Largest image to accept, in pixels. [default: 64 million]")
@click.option(
    "--statistics-from",
    type=click.IntRange(0, 1000),
    default=16,
    show_default=True,
    metavar="FRAMES",
    help="Number of frames per video over which to collect norm statistics; 0 uses each frame's own.",
)
@click.option("--overwrite", is_flag=True, help="Translate all files again and overwrite existing translations.")
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be translated.")
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    run: Path,
    inputs: tuple[Path, ...],
    output: Path,
    direction: str,
    weights: Literal["ema", "raw"] | None,
    device: str | None,
    precision: str | None,
    batch: int,
    file_format: str | None,
    tile: str,
    tiling: Literal["exact", "thumbnail", "independent"],
    max_pixels: int | None,
    statistics_from: int,
    overwrite: bool,
    strict: bool,
    as_json: bool,
) -> int:
    """Translate images, folders and videos with the model of RUN, keeping their names and sizes.

    RUN@STEP, RUN@best and RUN@last use a checkpoint of the run, also while it trains.

    INPUTS are images, videos, folders, quoted patterns ("photos/**/*.png"), or - to read file names from standard
    input, separated by newlines or NULs. Files that the same model has already translated are skipped. If a file cannot
    be translated, the error is reported, the other files are translated, and the exit code is 3.
    """
    plugins = console.plugins(context)
    from cgkit.translation.files import translate_files
    from cgkit.translation.planning import listed_files
    from cgkit.translation.translator import Translator

    files = [file for path in inputs for file in (listed_files(sys.stdin.buffer) if str(path) == "-" else [path])]
    if not files:
        raise UsageError("nothing to translate: standard input lists no files")
    translator = Translator.load(
        run,
        direction=direction,
        weights=weights,
        device=device,
        precision=precision,
        tile=_parse_tile(tile),
        tiling=tiling,
        max_pixels=max_pixels,
        plugins=plugins,
    )
    results = translate_files(
        translator,
        files,
        output,
        batch=batch,
        suffix=f".{file_format.lstrip('.').lower()}" if file_format else None,
        overwrite=overwrite,
        samples=statistics_from,
        progress=file_progress(),
    )
    written, skipped, failed = _collect(results, strict)
    _render(written, skipped, failed, output, as_json)
    return DataError.exit_code if failed else 0


def _collect(
    results: Generator[Path | Skipped | DataError, None, None], strict: bool
) -> tuple[list[str], list[str], list[str]]:
    """Collect the files that were written, the files that were skipped, and the errors; print each error."""
    from cgkit.translation.files import Skipped

    written: list[str] = []
    skipped: list[str] = []
    failed: list[str] = []
    for result in results:
        if isinstance(result, DataError):
            failed.append(str(result))
            console.error(str(result))
            if strict:
                break
        elif isinstance(result, Skipped):
            skipped.append(str(result.target))
        else:
            written.append(str(result))
    results.close()
    return written, skipped, failed


def _render(written: list[str], skipped: list[str], failed: list[str], output: Path, as_json: bool) -> None:
    if as_json:
        console.print_json({"schema": 1, "written": written, "skipped": skipped, "failed": failed})
    else:
        counts = [f"{len(written)} files translated into {output}"]
        counts += [f"{len(skipped)} already translated"] if skipped else []
        counts += [f"{len(failed)} failed"] if failed else []
        console.message(", ".join(counts))


def _parse_tile(text: str) -> int | Literal["auto", "never"]:
    if text == "auto":
        return "auto"
    if text == "never":
        return "never"
    if text.isdecimal() and int(text) >= 16:
        return int(text)
    raise click.BadParameter("must be auto, never, or a number of at least 16", param_hint="--tile")
