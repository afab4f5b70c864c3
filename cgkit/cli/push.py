"""`cgkit push`: upload a model to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

import click

from cgkit.cli import console, options


@click.command()
@options.model
@click.argument("name", metavar="USER/NAME")
@click.option("--private", is_flag=True, help="Let only you, and those whom you admit, see the model.")
@click.option("--revision", metavar="BRANCH", help="Branch to upload to, created if necessary. [default: main]")
@click.option("--page", is_flag=True, help="Add a web page that translates images, if a plugin writes one.")
@click.option("--dry-run", is_flag=True, help="List the files with their sizes, and send nothing.")
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    run: Path | str,
    name: str,
    private: bool,
    revision: str | None,
    page: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Upload the model of RUN, a run or model folder, to the Hugging Face hub as USER/NAME.

    RUN@STEP, RUN@best and RUN@last upload a checkpoint of the run. The model's card says how to use it from there, and
    shows the newest sample images. Folders of this machine are not named in what is uploaded.
    """
    plugins = console.plugins(context)
    with console.working("loading torch and the model" if dry_run else "loading torch, uploading the model"):
        from cgkit.sharing.push import push

        asked = {"private": private, "page": page, "dry_run": dry_run}
        pushed = push(run, name, revision=revision, plugins=plugins, **asked)
    if as_json:
        console.print_json({"schema": 1, "url": pushed.url, "files": dict(pushed.files)})
        return
    for file, size in pushed.files.items():
        click.echo(f"{size / 1e6:10,.3f} MB  {file}")
    if pushed.url is None:
        console.message(f"{sum(pushed.files.values()) / 1e6:,.1f} MB would be uploaded; nothing was sent")
    else:
        click.echo(pushed.url)
