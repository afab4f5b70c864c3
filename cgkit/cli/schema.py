"""`cgkit schema`: print the JSON Schema with which editors complete and check a spec."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cgkit.cli import console


@click.command()
@click.option("--output", type=click.Path(path_type=Path), help="File to write. [default: standard output]")
@click.pass_context
def command(context: click.Context, output: Path | None) -> None:
    """Print the JSON Schema of a spec, including the options of every installed component.

    TOML editors complete and check a spec whose first line is `#:schema ./spec.schema.json`.
    """
    from cgkit.spec.schema import spec_schema

    schema = spec_schema(console.plugins(context))
    if output is None:
        console.print_json(schema)
        return
    from cgkit.files.output import write_output

    write_output(output, json.dumps(schema, indent=2) + "\n")
    console.message(f"wrote {output}; start specs in the same folder with the line: #:schema ./{output.name}")
