"""`cgkit init`: write a commented spec to start from."""

from __future__ import annotations

from pathlib import Path

import click

from cgkit.cli import console
from cgkit.errors import UsageError


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("spec.toml"), show_default=True, help="Spec to write."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.pass_context
def command(context: click.Context, folders: tuple[Path, ...], output: Path, force: bool) -> None:
    """Write a commented spec. Given two FOLDERS of images, fill in their paths, sizes and channels."""
    if len(folders) not in (0, 2):
        raise UsageError("give two folders, one per domain, or none")
    if output.exists() and not force:
        raise UsageError(f"{output} already exists", hint="choose another --output, or overwrite it with --force")
    plugins = console.plugins(context)
    from cgkit.data.file_formats import load_formats
    from cgkit.files.atomic import replace_text
    from cgkit.scaffolding.starter_spec import starter_spec

    text, remarks = starter_spec(folders, output.parent, load_formats(plugins))
    output.parent.mkdir(parents=True, exist_ok=True)
    replace_text(output, text)
    for remark in remarks:
        console.message(remark)
    console.message(f"wrote {output}; next: cgkit check {output}, then cgkit run {output}")
