"""`cgkit init`: write a commented spec to start from."""

from __future__ import annotations

from pathlib import Path

import click

from cgkit.cli import console, options
from cgkit.errors import UsageError
from cgkit.files.output import refuse_folder
from cgkit.scaffolding.presets import PRESETS, list_presets

DEFAULT = Path("spec.toml")


@click.command(epilog=f"\b\nPresets:\n{list_presets()}")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--hours", type=click.FloatRange(min=0), help="Time for the run; 0 is --paper. [default: 8, a night]")
@click.option("--preset", type=click.Choice(list(PRESETS)), help="Recipe; see the list below. [default: sized]")
@click.option("--paper", is_flag=True, help="The published settings: --preset paper.")
@click.option("--output", type=click.Path(path_type=Path), help="Spec to write. [default: spec.toml, or a free name]")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@options.device
@click.pass_context
def command(
    context: click.Context,
    folders: tuple[Path, ...],
    hours: float | None,
    preset: str | None,
    paper: bool,
    output: Path | None,
    force: bool,
    device: str | None,
) -> None:
    """Write a commented spec for images, sized to this machine and to the time it may take.

    FOLDERS are two folders of images, one per domain, or the root of a data set (trainA and trainB, train/A and
    train/B, or A and B). Without them, the spec is for the built-in landscapes.
    """
    from cgkit.scaffolding.layouts import check_folders

    check_folders(folders)
    chosen = _choose_preset(preset, hours, paper=paper, built_in=not folders)
    file = _choose_file(output, force=force)
    plugins = console.plugins(context)
    console.message("loading torch ...")
    from cgkit.files.output import write_output
    from cgkit.scaffolding.starter import Order, start

    number = file.stem.removeprefix(DEFAULT.stem) if output is None else ""
    order = Order(folders, chosen, hours or PRESETS[chosen].hours, file.parent, number)
    text = start(order, plugins, device, console.message, console.warning)
    write_output(file, text)
    if output is None and file != DEFAULT:
        console.message(f"{DEFAULT} already exists, so the spec is {file}")
    console.message(f"wrote {file}; next: cgkit check {file}, then cgkit run {file}")


def _choose_preset(preset: str | None, hours: float | None, *, paper: bool, built_in: bool) -> str:
    """Return the name of the preset; a quick run by default for the built-in data."""
    if paper or hours == 0:
        if preset not in (None, "paper"):
            raise UsageError(f"--paper and --hours 0 mean --preset paper, which contradicts --preset {preset}")
        return "paper"
    if preset == "paper" and hours:
        raise UsageError("the published settings take the time they take", hint="leave out --hours or --preset paper")
    return preset or ("quick" if built_in and hours is None else "sized")


def _choose_file(output: Path | None, *, force: bool) -> Path:
    """Return the file to write: the default or, if that is taken, the next free name.

    Raises:
        UsageError: the user named a file that exists, without `--force`.
    """
    wanted = output or DEFAULT
    if output is not None:
        refuse_folder(output)
    if force or not wanted.exists():
        return wanted
    names = (wanted.with_stem(f"{wanted.stem}-{number}") for number in range(2, 10_000))
    free = next(name for name in names if not name.exists())
    if output is not None:
        raise UsageError(f"{output} already exists", hint=f"use --output {free}, or overwrite it with --force")
    return free
