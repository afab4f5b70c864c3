"""`cgkit serve`: show runs in a browser, and translate with their models."""

from __future__ import annotations

from pathlib import Path

import click

from cgkit.cli import console


@click.command()
@click.argument("folders", nargs=-1, metavar="[RUNS]...", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Port; 0 for any that is free."
)
@click.option(
    "--token",
    envvar="CGKIT_TOKEN",
    show_envvar=True,
    help="Token that clients need, at least 16 characters. [default: a random one if other machines can connect]",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Name by which clients address the server, such as that of a proxy. Can be given several times.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    help="Device to translate on; several devices translate at the same time. [default: cuda or mps if available]",
)
@click.option("--max-upload", type=click.IntRange(1), default=64, show_default=True, help="Most MiB of an image file.")
@click.option("--max-pixels", type=click.IntRange(1), default=25_000_000, show_default=True, help="Most pixels.")
@click.option("--queue", type=click.IntRange(1), default=32, show_default=True, help="Most translations that wait.")
@click.option(
    "--time-limit",
    type=click.FloatRange(1),
    default=120.0,
    show_default=True,
    help="Seconds that one translation may take.",
)
@click.pass_context
def command(
    context: click.Context,
    folders: tuple[Path, ...],
    host: str,
    port: int,
    token: str | None,
    hosts: tuple[str, ...],
    devices: tuple[str, ...],
    max_upload: int,
    max_pixels: int,
    queue: int,
    time_limit: float,
) -> None:
    """Serve a page with the runs below RUNS, by default runs/: their progress, reports and comparisons.

    Images can be translated with any model of a run, on the page or by programs (/openapi.json), and runs can be
    stopped and continued. Other machines can connect only with --host, and need the token that is printed. Ctrl-C ends
    the server after the translations that were accepted, a second Ctrl-C at once; runs go on.
    """
    from cgkit.serving import Address, Limits, serve

    plugins = console.plugins(context)
    limits = Limits(upload=max_upload * 2**20, pixels=max_pixels, queue=queue, seconds=time_limit)
    serve(
        folders or (Path("runs"),),
        plugins,
        address=Address(host, port, token, hosts),
        limits=limits,
        devices=devices or (None,),
        installed=not context.find_root().ensure_object(dict).get("no_plugins"),
        ready=_announce,
        stopping=_announce_end,
    )
    console.message("stopped")


def _announce(url: str) -> None:
    click.echo(url)
    console.message("open this address in a browser; Ctrl-C stops the server")


def _announce_end(count: int) -> None:
    if count:
        console.message(f"stopping after {count} translation{'s' * (count != 1)}; Ctrl-C again stops at once")
