"""`cgkit import`: create a model from weights that another program saved."""

from __future__ import annotations

from pathlib import Path

import click

from cgkit.cli import console, options
from cgkit.errors import UsageError


@click.command("import")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@options.direction
@click.option(
    "--a2b", type=click.Path(path_type=Path), metavar="FILE", help="File with the weights for a to b, instead of FILE."
)
@click.option(
    "--b2a", type=click.Path(path_type=Path), metavar="FILE", help="File with the weights for b to a, instead of FILE."
)
@click.option("--name", help="Name of the model. [default: the file name]")
@click.option("--license", help="Licence of the weights, to state in the model card.")
@click.option(
    "--generator", help="Name of the generator that the weights belong to. [default: detected from the tensors]"
)
@click.option("--key", help="Prefix of the network's tensor names, if the file holds several networks.")
@click.option("--norm", help="Norm of the network if its tensors do not tell: instance, batch or none.")
@click.option(
    "--padding", help="Padding of its blocks if its tensors do not tell: reflection, replicate, zero or all-zero."
)
@click.option(
    "--sample",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="INPUT OUTPUT",
    help="An image, and what the original program made of it; the network that reproduces it is imported.",
)
@options.as_json
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
    norm: str | None,
    padding: str | None,
    sample: tuple[Path, Path] | None,
    as_json: bool,
) -> None:
    """Convert the weights in FILE, saved by another program, to a model folder for `cgkit translate`.

    FILE is in the format of torch.save or of safetensors; no code in it is executed. The architecture is detected from
    the tensors and printed, with a remark on what they do not tell.
    """
    files = {way: path for way, path in {"a2b": a2b, "b2a": b2a}.items() if path is not None}
    if (file is None) == (not files):
        raise UsageError("give either FILE, or --a2b and --b2a")
    if file is not None:
        files = {direction: file}
    plugins = console.plugins(context)
    from cgkit.exchange.importing import describe, import_weights

    given = {name: value for name, value in {"norm": norm, "padding": padding}.items() if value is not None}
    imported = import_weights(
        files,
        output,
        name=name,
        license=license,
        generator=generator,
        key=key,
        options=given,
        sample=sample,
        plugins=plugins,
    )
    if as_json:
        console.print_json({"schema": 1, "folder": str(output), "found": imported.found})
        return
    for way, facts in imported.found.items():
        console.message(f"{way}: {describe(facts)}")
    only = "" if "a2b" in imported.found else " --direction b2a"
    console.message(f"translate with: cgkit translate {output} IMAGES --output FOLDER{only}")
