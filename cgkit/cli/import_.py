"""`cgkit import`: weights from elsewhere as a model that translates."""

from __future__ import annotations

from pathlib import Path

import click

from cgkit.cli import console
from cgkit.errors import UsageError


@click.command("import")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The folder for the model.")
@click.option(
    "--direction", type=click.Choice(["a2b", "b2a"]), default="a2b", show_default=True, help="What FILE is for."
)
@click.option("--a2b", type=click.Path(path_type=Path), metavar="FILE", help="The weights for one direction ...")
@click.option("--b2a", type=click.Path(path_type=Path), metavar="FILE", help="... and those for the other one.")
@click.option("--name", help="What the model is called. [default: as the file]")
@click.option("--license", help="The licence of the weights, for the model card.")
@click.option("--generator", help="The generator that they are of. [default: every one is asked]")
@click.option("--key", help="Where in the file the network lies, if there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def command(
    context: click.Context,
    file: Path | None,
    output: Path,
    direction: str,
    a2b: Path | None,
    b2a: Path | None,
    name: str | None,
    license: str | None,
    generator: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Turn the weights of FILE, as other programs save them, into a folder that `cgkit translate` takes.

    FILE is what torch.save wrote, or safetensors. Nothing in it is executed. What network it is, is seen from the
    tensors, and told.
    """
    given = {"a2b": a2b, "b2a": b2a}
    files = {way: path for way, path in given.items() if path is not None}
    if (file is None) == (not files):
        raise UsageError("give either FILE, or --a2b and --b2a")
    if file is not None:
        files = {direction: file}
    plugins = console.plugins(context)
    from cgkit.exchange.importing import described, import_weights

    imported = import_weights(files, output, name=name, license=license, generator=generator, key=key, plugins=plugins)
    if as_json:
        console.print_json({"schema": 1, "folder": str(output), "found": imported.found})
        return
    for way, told in imported.found.items():
        console.message(f"{way}: {described(told)}")
    only = "" if "a2b" in imported.found else " --direction b2a"
    console.message(f"translate with: cgkit translate {output} IMAGES --output FOLDER{only}")
