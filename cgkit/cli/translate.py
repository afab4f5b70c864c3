"""`cgkit translate`: a trained run applied to image files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from cgkit.cli import console
from cgkit.cli.shares import shares
from cgkit.errors import DataError, UsageError

FORMATS = ("png", "jpg", "webp", "tiff", "bmp", "npy", "npz")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Where the translations go.")
@click.option("--direction", type=click.Choice(["a2b", "b2a"]), default="a2b", show_default=True, help="Which way.")
@click.option(
    "--weights",
    type=click.Choice(["ema", "raw"]),
    help="The moving average of the weights, or the weights as trained. [default: the average where there is one]",
)
@click.option("--device", help="cpu, cuda or cuda:N. [default: cuda where there is one]")
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    help="What it computes in; auto is bf16 where the hardware multiplies it. "
    "[default: as it was trained; fp32 for more than 8 bits]",
)
@click.option("--batch", type=click.IntRange(1, 4096), default=4, show_default=True, help="Images translated at once.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    help="What to write. [default: as each image is, or png or tiff where that cannot hold it]",
)
@click.option(
    "--tile", default="auto", show_default=True, help="Tiles of large images: auto, never, or pixels a side, always."
)
@click.option(
    "--tiling",
    type=click.Choice(["exact", "thumbnail", "independent"]),
    default="exact",
    show_default=True,
    help="Whether tiles give what the whole image gives, or something near it, in less time.",
)
@click.option("--max-pixels", type=click.IntRange(1), help="Pixels that an image may have. [default: 64 million]")
@click.option(
    "--statistics-from",
    type=click.IntRange(0, 1000),
    default=16,
    show_default=True,
    metavar="FRAMES",
    help="Frames of a video that its norms take their statistics from; 0 for each frame's own.",
)
@click.option("--overwrite", is_flag=True, help="Translate anew what is there, whoever wrote it.")
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be translated.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
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
    """Translate images, all images of folders, and videos with the model of RUN; names and sizes stay as they are.

    INPUTS are images, videos, folders, patterns in quotes ("photos/**/*.png"), or - for a list of files on standard
    input, one a line or each ended by a NUL. What the same model has written before is not done again. A file that
    cannot be read is reported and the others are translated; the exit code is 3 then.
    """
    plugins = console.plugins(context)
    from cgkit.translation.files import Skipped, translate_files
    from cgkit.translation.planning import listed_files
    from cgkit.translation.translator import Translator

    listed = [file for given in inputs for file in (listed_files(sys.stdin.buffer) if str(given) == "-" else [given])]
    if not listed:
        raise UsageError("there is nothing to translate: standard input names no file")
    translator = Translator.load(
        run,
        direction=direction,
        weights=weights,
        device=device,
        precision=precision,
        tile=_tile(tile),
        tiling=tiling,
        max_pixels=max_pixels,
        plugins=plugins,
    )
    written: list[str] = []
    skipped: list[str] = []
    failed: list[str] = []
    suffix = f".{file_format}" if file_format else None
    results = translate_files(
        translator,
        listed,
        output,
        batch=batch,
        suffix=suffix,
        overwrite=overwrite,
        samples=statistics_from,
        progress=shares(),
    )
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
    if as_json:
        console.print_json({"schema": 1, "written": written, "skipped": skipped, "failed": failed})
    else:
        counts = [f"{len(written)} images translated into {output}"]
        counts += [f"{len(skipped)} were there already"] if skipped else []
        counts += [f"{len(failed)} failed"] if failed else []
        console.message(", ".join(counts))
    return DataError.exit_code if failed else 0


def _tile(text: str) -> int | Literal["auto", "never"]:
    if text == "auto":
        return "auto"
    if text == "never":
        return "never"
    if text.isdecimal() and int(text) >= 16:
        return int(text)
    raise click.BadParameter("give auto, never, or at least 16 pixels", param_hint="--tile")
