"""`cgkit translate`: a trained run applied to image files."""

from __future__ import annotations

from pathlib import Path

import click

from cgkit.cli import console
from cgkit.errors import DataError, UsageError


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Where the translations go.")
@click.option("--direction", type=click.Choice(["a2b", "b2a"]), default="a2b", show_default=True, help="Which way.")
@click.option("--device", help="cpu, cuda or cuda:N. [default: cuda where there is one]")
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    help="What it computes in; auto is bf16 where the hardware multiplies it. [default: as it was trained]",
)
@click.option("--batch", type=click.IntRange(1, 4096), default=4, show_default=True, help="Images translated at once.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@click.pass_context
def command(
    context: click.Context,
    run: Path,
    inputs: tuple[Path, ...],
    output: Path,
    direction: str,
    device: str | None,
    precision: str | None,
    batch: int,
    as_json: bool,
) -> int:
    """Translate image files, or all images of folders, with the model of RUN; names and sizes stay as they are.

    A file that cannot be read is reported and the others are translated; the exit code is 3 then.
    """
    plugins = console.plugins(context)
    from cgkit.translation.files import translate_files
    from cgkit.translation.translator import Translator

    translator = Translator.load(run, direction=direction, device=device, precision=precision, plugins=plugins)
    written: list[str] = []
    failed: list[str] = []
    for result in translate_files(translator, inputs, output, batch=batch):
        if isinstance(result, DataError):
            failed.append(str(result))
            console.error(str(result))
        else:
            written.append(str(result))
    if not written and not failed:
        raise UsageError("there is nothing to translate")
    if as_json:
        console.print_json({"schema": 1, "written": written, "failed": failed})
    else:
        console.message(
            f"{len(written)} images translated into {output}" + (f", {len(failed)} failed" if failed else "")
        )
    return DataError.exit_code if failed else 0
