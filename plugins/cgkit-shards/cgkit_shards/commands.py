"""`cgkit shards`: pack images into shards, and index existing shards."""

from __future__ import annotations

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.group()
def shards() -> None:
    """Pack images into tar shards for the source "shards"."""


@shards.command()
@click.argument("folder", type=_PATH)
@click.argument("output", type=_PATH)
@click.option(
    "--shard-size",
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    default=256.0,
    show_default=True,
    metavar="MB",
    help="Size in megabytes (10^6 bytes) after which a new shard is started.",
)
def write(folder: Path, output: Path, shard_size: float) -> None:
    """Pack the images of FOLDER into shards with an index in the new folder OUTPUT."""
    from cgkit_shards.writing import write_shards

    index = write_shards(folder, output, round(shard_size * 1e6))
    count = sum(shard.nsamples for shard in index.shardlist)
    click.echo(f"{output}: {count} images in {len(index.shardlist)} shards", err=True)


@shards.command("index")
@click.argument("output", type=_PATH)
@click.argument("shard", nargs=-1, required=True)
def index_command(output: Path, shard: tuple[str, ...]) -> None:
    """Write the index of existing shards, given as files or URLs, to the .json file OUTPUT. Each shard is read once."""
    from cgkit.errors import UsageError
    from cgkit_shards.index import index_shards

    if output.suffix != ".json":
        raise UsageError(f"{output} is not a .json file")
    index = index_shards(shard, output.parent)
    index.write(output)
    count = sum(entry.nsamples for entry in index.shardlist)
    click.echo(f"{output}: {count} images in {len(index.shardlist)} shards", err=True)
