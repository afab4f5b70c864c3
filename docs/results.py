"""The page of the results of studies, from the JSON files in `docs/results`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from cgkit.report.axes import format_number

DOCS = Path(__file__).parent
ROOT = DOCS.parent


def page() -> Iterator[str]:
    """Describe the results of studies, which are JSON files as `cgkit study` writes them."""
    yield "# Results of studies"
    yield (
        "Each section is made of a JSON file in this folder, which `cgkit study` wrote. In brackets: the 95% interval "
        "over other seeds and other test images, and the p-value of the difference to the baseline, whose name is in "
        "italics; [studies](../guide/studies.md) says how they are computed. The best mean is bold, whether "
        "or not it is certain. Times are those of the training, while other programs used the same machine."
    )
    for file in sorted((DOCS / "results").glob("*.json")):
        results = json.loads(file.read_text(encoding="utf-8"))
        yield f"## {results['study']}"
        yield results["description"]
        seeds = ", ".join(map(str, results["seeds"]))
        duration, devices = _format_time(results["training_seconds"]), ", ".join(results["devices"])
        study = _find_study(results["study"])
        yield f"`cgkit study {study}`; seeds {seeds}; {duration} of training on {devices}. {_link(study, file)}"
        if results["missing"]:
            yield f"{len(results['missing'])} runs are missing."
        if (remarks := file.with_suffix(".txt")).exists():
            yield remarks.read_text(encoding="utf-8").strip()
        if results["expected"]:
            yield f"Does the expected order hold: {' > '.join(results['expected'])}?"
            yield _format_orders(results)
        for data in dict.fromkeys(table["data"] for table in results["tables"]):
            yield _format_scores(
                [table for table in results["tables"] if table["data"] == data], data, results["baseline"]
            )


def _link(study: str, file: Path) -> str:
    """Return links to the file of a study, which says what it needs, and to its results."""
    return f"[What it trains and needs](../../{study}); [all numbers]({file.name})."


def _format_time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"


def _find_study(name: str) -> str:
    """Return the path of the file of a study from the root of the repository."""
    files = [*ROOT.glob("examples/studies/*.toml"), *ROOT.glob("plugins/*/examples/studies/*.toml")]
    found = [file for file in files if tomllib.loads(file.read_text(encoding="utf-8"))["name"] == name]
    return found[0].relative_to(ROOT).as_posix()


def _format_orders(results: Mapping[str, Any]) -> str:
    """Return a table that says for each score of each data set whether the variants are in the expected order."""
    data = list(dict.fromkeys(table["data"] for table in results["tables"]))
    scores = list(dict.fromkeys(f"{table['metric']} {table['direction']}" for table in results["tables"]))
    orders = {
        (table["data"], f"{table['metric']} {table['direction']}"): _judge_order(table, results["expected"])
        for table in results["tables"]
    }
    lines = [f"| data | {' | '.join(scores)} |", f"|{'---|' * (len(scores) + 1)}"]
    lines += [f"| {each} | {' | '.join(orders.get((each, score), '') for score in scores)} |" for each in data]
    return "\n".join(lines)


def _judge_order(table: Mapping[str, Any], expected: Sequence[str]) -> str:
    entries = {entry["variant"]: entry for entry in table["entries"]}
    if not all(name in entries and entries[name]["interval"] for name in expected):
        return ""
    sign = 1 if table["better"] == "higher" else -1
    gaps = [
        (sign * (entries[one]["mean"] - entries[two]["mean"]), _are_apart(entries[one], entries[two]))
        for one, two in pairwise(expected)
    ]
    if all(gap > 0 for gap, _ in gaps):
        return "yes, intervals apart" if all(apart for _, apart in gaps) else "yes, intervals overlap"
    return "no, intervals apart" if any(gap < 0 and apart for gap, apart in gaps) else "no, intervals overlap"


def _are_apart(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    return bool(one["interval"][0] > two["interval"][1] or two["interval"][0] > one["interval"][1])


def _format_scores(tables: Sequence[Mapping[str, Any]], data: str, baseline: str) -> str:
    """Return the scores on one data set as a table, a row for each variant."""
    cells: dict[str, dict[str, str]] = {}
    untranslated: dict[str, str] = {}
    for table in tables:
        score = f"{table['metric']} {table['direction']}"
        for entry in sorted(table["entries"], key=lambda entry: entry["rank"] or 0):
            interval = " to ".join(map(format_number, entry["interval"])) if entry["interval"] else ""
            mean = format_number(entry["mean"])
            mean = f"**{mean}**" if entry["rank"] == 1 else mean
            interval += "" if entry["p"] is None else f"; p {entry['p']:.2g}"
            name = f"*{entry['variant']}*" if entry["variant"] == baseline else entry["variant"]
            cells.setdefault(name, {})[score] = f"{mean} ({interval})" if interval else mean
        if table["untranslated"] is not None:
            untranslated[score] = format_number(table["untranslated"])
    if untranslated:
        cells["untranslated images"] = untranslated
    scores = list(dict.fromkeys(score for row in cells.values() for score in row))
    titles = [f"{score}, {table['better']} is better" for score, table in zip(scores, tables, strict=True)]
    lines = [f"**{data}**", "", f"| variant | {' | '.join(titles)} |", f"|{'---|' * (len(scores) + 1)}"]
    lines += [f"| {name} | {' | '.join(row.get(score, '') for score in scores)} |" for name, row in cells.items()]
    return "\n".join(lines)
