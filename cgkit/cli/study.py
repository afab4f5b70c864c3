"""`cgkit study`: train variants of a spec with several seeds, and compare them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgkit.cli import console, options
from cgkit.cli.run import STOPPED

if TYPE_CHECKING:
    from cgkit.display.reporter import Reporter
    from cgkit.studies import Results, Study
    from cgkit.studies.results import Entry, Table
    from cgkit.studies.running import Found

PAGE, RESULTS = "study.html", "study.json"


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the runs. [default: studies/NAME]")
@click.option("--dry-run", is_flag=True, help="Print what would be trained and how long it takes; write nothing.")
@click.option("--results", "only_results", is_flag=True, help="Train nothing; write the results of what there is.")
@click.option("--retry", is_flag=True, help="Train runs that failed again.")
@options.device
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    study: Path,
    output: Path | None,
    dry_run: bool,
    only_results: bool,
    retry: bool,
    device: str | None,
    as_json: bool,
) -> int:
    """Train all variants that STUDY names, with each seed and on each data set, and compare their scores.

    Runs that are finished are kept, stopped ones are continued, and those of another process or machine that shares the
    folder are left to it. The results are printed, and written to study.json and study.html in the folder.
    """
    from cgkit.errors import ResourceError
    from cgkit.files.atomic import replace_text
    from cgkit.studies import collect, read_study, run_study
    from cgkit.studies.page import write_study_page
    from cgkit.studies.running import look, refuse_others
    from cgkit.studies.statistics import import_stats

    plugins, read = console.plugins(context), read_study(study)
    if len(read.seeds) > 1:
        import_stats()  # before training takes hours
    folder = output or Path("studies") / read.name
    with console.working("reading the runs"):
        found = look(read, folder, plugins)
    if dry_run:
        refuse_others(found)
        _print_plan(context, read, found, device)
        return 0
    if not only_results:
        found = run_study(read, found, folder, plugins, _reporter, device=device, retry=retry, say=console.message)
    results = collect(read, found)
    page = write_study_page(results, folder / PAGE, plugins)
    try:
        replace_text(folder / RESULTS, json.dumps(results.to_json(), indent=2) + "\n")
    except OSError as error:
        raise ResourceError(f"{folder / RESULTS} cannot be written: {error.strerror}") from error
    if as_json:
        console.print_json(results.to_json())
    else:
        _print(results)
    for each in found:
        if each.state in ("failed", "other"):
            console.warning(f"{each.planned}: {each.note}")
    for remark in results.remarks:
        console.warning(remark)
    console.message(f"{results.count('finished')} of {len(found)} runs are finished; the page is at {page}")
    if only_results:
        return 0
    if results.count("missing") + results.count("unfinished"):
        console.message("stopped and saved; the same command continues")
        return STOPPED
    return next((each.exit_code for each in found if each.state == "failed"), 0)


def _reporter() -> AbstractContextManager[Reporter]:
    from cgkit.display.terminal import TerminalReporter

    return TerminalReporter(tracebacks=console.shows_tracebacks(), quiet=console.is_quiet())


def _print_plan(context: click.Context, study: Study, found: Sequence[Found], device: str | None) -> None:
    from cgkit.display.durations import format_duration
    from cgkit.studies.running import estimate

    table = console.table("run", "state")
    for each in found:
        table.add_row(str(each.planned), each.state)
    console.stdout().print(table)
    with console.working("measuring some steps"):
        seconds = estimate(study, found, console.plugins(context), device)
    todo = [each for each in found if each.state in ("missing", "unfinished")]
    if todo:
        total = sum(seconds[each.planned.data] for each in todo)
        runs = "1 run" if len(todo) == 1 else f"{len(todo)} runs"
        console.message(f"{runs} to train, in about {format_duration(total)} on this machine")
    else:
        console.message("nothing to train")


def _print(results: Results) -> None:
    from cgkit.report.axes import format_number

    out = console.stdout()
    for table in results.tables:
        out.print(console.clean(_title(results.study, table)))
        most = max(len(entry.values) for entry in table.entries)
        numeric = ("mean", "95% interval", "difference", "p")
        shown = console.table("rank", "variant", *numeric, right=("rank", *numeric))
        for entry in table.entries:
            shown.add_row(
                "-" if entry.rank is None else str(entry.rank),
                console.clean(entry.variant) + _count_seeds(entry, most),
                format_number(entry.mean),
                " to ".join(map(format_number, entry.interval or ())) or "-",
                "-" if entry.difference is None else f"{entry.difference:+.3g}",
                "-" if entry.p is None else f"{entry.p:.3f}",
            )
        out.print(shown)
        if results.study.expected:
            out.print(console.clean(f"expected: {' > '.join(results.study.expected)}"))
        for better, worse in table.disagreements(results.study.expected):
            out.print(console.clean(f"other than expected, {worse} is above {better}, with intervals apart"))
        for remark in table.remarks:
            console.message(remark)


def _count_seeds(entry: Entry, most: int) -> str:
    return f" ({len(entry.values)} of {most} seeds)" if len(entry.values) < most else ""


def _title(study: Study, table: Table) -> str:
    place = f"{table.metric} {table.direction}" + (f", {table.data}" if len(study.data) > 1 else "")
    better = f", {table.number.better} is better" if table.number.better else ""
    base = table.number.untranslated
    return f"\n{place}{better}" + ("" if base is None else f"; untranslated {base:.4g}")
