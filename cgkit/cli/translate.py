"""`cgkit translate`: apply a trained model to image files and videos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cgkit.cli import console, options
from cgkit.cli.file_progress import FileProgress
from cgkit.errors import DataError, UsageError
from cgkit.files.image_files import describe_kinds

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Generator

    from cgkit.translation.files import Skipped


def _parse_tile(context: click.Context, parameter: click.Parameter, text: str) -> int | str:
    if text in ("auto", "never"):
        return text
    if text.isdecimal() and int(text) >= 16:
        return int(text)
    raise click.BadParameter("must be auto, never, or a number of at least 16", param_hint="--tile")


def _parse_scale(context: click.Context, parameter: click.Parameter, text: str) -> float | str:
    if text in ("native", "trained"):
        return text
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter("must be native, trained, or a factor such as 0.5", param_hint="--scale") from None


def _parse_shard(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return int(number), int(count)
    raise click.BadParameter("must be K/N with K from 1 to N, such as 3/64", param_hint="--shard")


@click.command()
@options.model
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the translations; or the file to write, such as o.png, for one image.",
)
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
    callback=_parse_tile,
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
@click.option(
    "--scale",
    callback=_parse_scale,
    default="native",
    show_default=True,
    metavar="SCALE",
    help="Scale at which to translate: native for the images as they are, trained for that of the training images, "
    "or a factor such as 0.5.",
)
@click.option(
    "--size",
    type=click.Choice(["own", "scaled"]),
    default="own",
    show_default=True,
    help="Size of a translation: that of its image, or that at which it was translated.",
)
@click.option(
    "--max-side", type=click.IntRange(16), metavar="PIXELS", help="Scale larger images down to this longest side first."
)
@click.option(
    "--metadata",
    type=click.Choice(["keep", "drop"]),
    default="keep",
    show_default=True,
    help="keep the date, place, camera, resolution or georeference of each image in its translation, or drop them.",
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
@click.option(
    "--shard",
    callback=_parse_shard,
    default="1/1",
    metavar="K/N",
    help="Translate only part K of N of the files, for arrays of jobs: 1/64 to 64/64.",
)
@click.option("--overwrite", is_flag=True, help="Translate all files again and overwrite existing translations.")
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be translated.")
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    /,
    run: Path,
    inputs: tuple[Path, ...],
    output: Path,
    batch: int,
    file_format: str | None,
    statistics_from: int,
    shard: tuple[int, int],
    overwrite: bool,
    strict: bool,
    as_json: bool,
    **loading: Any,
) -> int:
    """Translate images, folders and videos with the model of RUN, keeping their names and sizes.

    RUN@STEP, RUN@best and RUN@last use a checkpoint of the run, also while it trains. hf:USER/NAME[@REVISION] uses a
    model of the Hugging Face hub, https://HOST/FOLDER/ one of any web server.

    INPUTS are images, videos, folders, quoted patterns ("photos/**/*.png"), or - to read file names from standard
    input, separated by newlines or NULs. Files that the same model has already translated are skipped. If a file cannot
    be translated, the error is reported, the other files are translated, and the exit code is 3.
    """
    plugins = console.plugins(context)
    from cgkit.translation.planning import ignored_files, listed_files, refuse_missing

    files = [file for path in inputs for file in (listed_files(sys.stdin.buffer) if str(path) == "-" else [path])]
    if not files:
        raise UsageError("nothing to translate: standard input lists no files")
    refuse_missing(files)
    with console.working("loading torch and the model"):
        from cgkit.translation.files import translate_files
        from cgkit.translation.translator import Translator

        translator = Translator.load(run, plugins=plugins, **loading)
    with translator.formats.listed():
        ignored = ignored_files(files, output, translator.formats.of_whole)
    if ignored:
        console.message(f"ignored: {describe_kinds(ignored)}")
    with FileProgress() as progress:
        results = translate_files(
            translator,
            files,
            output,
            batch=batch,
            suffix=f".{file_format.lstrip('.').lower()}" if file_format else None,
            overwrite=overwrite,
            samples=statistics_from,
            shard=shard,
            started=progress.start,
            progress=progress.share,
        )
        written, skipped, failed = _collect(results, strict, progress)
    _render(written, skipped, failed, ignored, output, as_json)
    return DataError.exit_code if failed else 0


def _collect(
    results: Generator[Path | Skipped | DataError, None, None], strict: bool, progress: FileProgress
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
            progress.finish(Path(), translated=False)
            if strict:
                break
        elif isinstance(result, Skipped):
            skipped.append(str(result.target))
            progress.finish(result.target, translated=False)
        else:
            written.append(str(result))
            progress.finish(result, translated=True)
    results.close()
    return written, skipped, failed


def _render(
    written: list[str], skipped: list[str], failed: list[str], ignored: Counter[str], output: Path, as_json: bool
) -> None:
    if as_json:
        files = {"written": written, "skipped": skipped, "failed": failed, "ignored": dict(ignored)}
        console.print_json({"schema": 1, **files})
    else:
        counts = [f"{len(written)} file{'s' * (len(written) != 1)} translated into {output}"]
        counts += [f"{len(skipped)} already translated"] if skipped else []
        counts += [f"{len(failed)} failed"] if failed else []
        console.message(", ".join(counts))
