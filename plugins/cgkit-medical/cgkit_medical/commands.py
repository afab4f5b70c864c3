"""`cgkit volumes`: what folders of volumes hold."""

from __future__ import annotations

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.group()
def volumes() -> None:
    """Look at volumes: NIfTI, MetaImage and DICOM series."""


@volumes.command()
@click.argument("folder", nargs=-1, required=True, type=_PATH)
@click.option(
    "--axis",
    type=click.Choice(["axial", "coronal", "sagittal", "i", "j", "k"]),
    default="axial",
    show_default=True,
    help="In which direction slices follow each other.",
)
@click.option(
    "--neighbours",
    type=click.IntRange(0, 16),
    default=0,
    show_default=True,
    help="Number of slices on either side that are channels of a slice.",
)
@click.option("--output", type=_PATH, metavar="SPEC", help="Write the suggested spec for two folders to a new file.")
def info(folder: tuple[Path, ...], axis: str, neighbours: int, output: Path | None) -> None:
    """Print what each FOLDER holds: sizes, spacing, orientation, values and patients; for two, suggest a spec."""
    from typing import cast

    from cgkit.errors import UsageError
    from cgkit_medical.slicing import Axis
    from cgkit_medical.survey import suggest, survey

    if output is not None and len(folder) != 2:
        raise UsageError("a spec needs two folders, one for each domain")
    if output is not None and output.exists():
        raise UsageError(f"{output} exists", hint="choose another --output")
    surveys = [survey(each) for each in folder]
    for each in surveys:
        for line in each.lines():
            click.echo(line)
    if len(surveys) != 2:
        return
    spec = suggest(surveys[0], surveys[1], cast(Axis, axis), neighbours)
    if output is None:
        click.echo(f"\n# suggested spec; write it with --output spec.toml\n{spec}")
    else:
        output.write_text(spec, encoding="utf-8")
        click.echo(f"{output}: written", err=True)
