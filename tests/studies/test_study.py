"""`cgkit study`: what is trained, what is kept, and what the results say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TINY, Result

Cli = Callable[..., Result]

STUDY = """
name = "small"
description = "Does the cycle loss matter?"
base = "spec.toml"
seeds = [0, 1]
expected = ["full", "no-cycle"]

[variants.full]

[variants.no-cycle]
objective.cycle = 0
"""

EXPLODING = '''
import cgkit


class Exploding:
    """A distance that is infinite from the seventh call on."""

    def __init__(self):
        self.calls = 0

    def __call__(self, reconstruction, image):
        self.calls += 1
        return (reconstruction - image).abs().mean() * (float("inf") if self.calls > 6 else 1)


@cgkit.hookimpl
def cgkit_register(registries):
    registries.reconstruction_losses.add("exploding", Exploding)
'''


def write(folder: Path, text: str = STUDY) -> Path:
    (folder / "spec.toml").write_text(TINY)
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study."""
    from cgkit.cli import main

    folder = tmp_path_factory.mktemp("study")
    with pytest.raises(SystemExit) as stop:
        main(["study", str(write(folder)), "--output", str(folder / "out"), "--quiet"])
    assert stop.value.code == 0
    return folder


@pytest.fixture
def study(trained: Path, tmp_path: Path) -> Path:
    """A copy of the finished study that tests may modify; returns its file."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    # Resolved specs have absolute paths only of data, of which the landscapes have none.
    return tmp_path / "study.toml"


def states(folder: Path) -> dict[str, str]:
    """Return the state of each run of a study, by its path."""
    files = sorted(folder.rglob("status.json"))
    return {str(file.parent.relative_to(folder)): json.loads(file.read_text())["state"] for file in files}


def test_every_variant_is_trained_with_every_seed(trained: Path) -> None:
    runs = [f"data/{variant}/seed-{seed}" for variant in ("full", "no-cycle") for seed in (0, 1)]
    assert states(trained / "out") == dict.fromkeys(runs, "finished")
    resolved = json.loads((trained / "out/data/no-cycle/seed-1/spec.resolved.json").read_text())
    assert resolved["seed"] == 1
    assert resolved["objective"]["cycle"] in (0, {"forward": 0, "backward": 0})


def test_results_have_means_intervals_ranks_and_paired_differences(trained: Path) -> None:
    results = json.loads((trained / "out/study.json").read_text())
    table = next(each for each in results["tables"] if (each["metric"], each["direction"]) == ("psnr", "a2b"))
    assert [entry["rank"] for entry in table["entries"]] == [1, 2]
    by_name = {entry["variant"]: entry for entry in table["entries"]}
    for entry in by_name.values():
        assert entry["mean"] == pytest.approx(sum(entry["values"].values()) / 2)
        assert entry["interval"][0] < entry["mean"] < entry["interval"][1]
    differences = [by_name["no-cycle"]["values"][seed] - by_name["full"]["values"][seed] for seed in ("0", "1")]
    assert by_name["no-cycle"]["difference"] == pytest.approx(sum(differences) / 2)
    assert by_name["full"]["difference"] is None
    assert 0 < by_name["no-cycle"]["p"] <= 1


def test_the_page_shows_tables_and_pictures_of_all_variants(trained: Path) -> None:
    page = (trained / "out/study.html").read_text()
    assert "Does the cycle loss matter?" in page
    assert page.count('<th scope="row">no-cycle</th>') == 6  # three metrics in two directions
    assert 'data-title="full"' in page
    assert 'data-title="no-cycle"' in page
    assert page.count("better &rarr;; untranslated ") == 6  # written, not drawn: it would squeeze the variants


def test_a_second_call_trains_nothing(cgkit: Cli, study: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in study.parent.rglob("status.json")}
    result = cgkit("study", study, "--output", study.parent / "out")
    assert result.code == 0
    assert "4 of 4 runs are finished" in result.err
    assert "training" not in result.err
    assert "expected: full > no-cycle" in result.out
    assert before == {file: file.stat().st_mtime_ns for file in study.parent.rglob("status.json")}


def test_only_what_is_missing_is_trained(cgkit: Cli, study: Path) -> None:
    shutil.rmtree(study.parent / "out/data/full/seed-1")
    shown = cgkit("study", study, "--output", study.parent / "out", "--results")
    assert shown.code == 0
    assert "3 of 4 runs are finished" in shown.err
    result = cgkit("study", study, "--output", study.parent / "out")
    assert result.code == 0
    assert "run 1 of 1: training full, seed 1" in result.err


def test_a_dry_run_says_what_is_missing_and_how_long_it_takes(cgkit: Cli, study: Path) -> None:
    shutil.rmtree(study.parent / "out/data/full/seed-1")
    before = sorted(study.parent.rglob("*"))
    result = cgkit("study", study, "--output", study.parent / "out", "--dry-run")
    assert result.code == 0
    assert [line.split()[-1] for line in result.out.splitlines()[1:]].count("missing") == 1
    assert "1 runs to train" in result.err or "1 run to train" in result.err
    assert sorted(study.parent.rglob("*")) == before


def test_a_run_that_fails_is_named_and_the_others_go_on(cgkit: Cli, tmp_path: Path) -> None:
    (tmp_path / "exploding.py").write_text(EXPLODING)
    text = STUDY.replace("seeds = [0, 1]", "seeds = [0]") + '\n[variants.wild]\ncycle_loss.name = "exploding"\n'
    options = ("study", write(tmp_path, text), "--output", tmp_path / "out", "--plugin", tmp_path / "exploding.py")
    result = cgkit(*options)
    assert result.code == 6  # that of the run
    found = states(tmp_path / "out")
    assert found.pop("data/wild/seed-0") == "diverged"
    assert set(found.values()) == {"finished"}
    assert "wild, seed 0: " in result.err
    assert "2 of 3 runs are finished" in result.err
    assert list(json.loads((tmp_path / "out/study.json").read_text())["failed"]) == ["wild, seed 0"]
    again = cgkit(*options)
    assert "training wild" not in again.err  # it would fail again
    assert again.code == 6
    assert "training wild" in cgkit(*options, "--retry").err


def test_a_run_that_cannot_start_is_named(cgkit: Cli, tmp_path: Path) -> None:
    text = STUDY.replace("seeds = [0, 1]", "seeds = [0]") + '\n[variants.empty]\ndata.source = "folder"\n'
    text += 'data.a = "nothing"\ndata.b = "nothing"\n'
    result = cgkit("study", write(tmp_path, text), "--output", tmp_path / "out")
    assert result.code == 3
    assert result.err.index("empty, seed 0 failed: ") < result.err.index("warning: empty, seed 0: ")
    assert "nothing" in result.err


def test_a_study_that_has_changed_is_refused(cgkit: Cli, study: Path) -> None:
    study.write_text(study.read_text().replace("objective.cycle = 0", "objective.cycle = 1"))
    result = cgkit("study", study, "--output", study.parent / "out")
    assert result.code == 2
    assert "no-cycle/seed-0 was run with another objective.cycle" in result.err
    assert "choose another --output" in result.err


@pytest.mark.parametrize("name", ["status.json", "evaluation.json", "spec.toml"])
def test_a_damaged_run_is_named_and_the_others_go_on(cgkit: Cli, study: Path, name: str) -> None:
    (study.parent / "out/data/full/seed-0" / name).write_text("=")
    shutil.rmtree(study.parent / "out/data/no-cycle/seed-1")
    result = cgkit("study", study, "--output", study.parent / "out")
    assert result.code in (2, 5)
    assert "warning: full, seed 0: " in result.err
    assert name in result.err
    assert "3 of 4 runs are finished" in result.err


def test_results_that_cannot_be_written_are_an_error(cgkit: Cli, study: Path) -> None:
    (study.parent / "out/study.json").unlink()
    (study.parent / "out/study.json").mkdir()
    result = cgkit("study", study, "--output", study.parent / "out", "--results")
    assert result.code == 7
    assert "study.json cannot be written: Is a directory" in result.err


def test_data_sets_are_compared_apart(cgkit: Cli, tmp_path: Path) -> None:
    text = STUDY.replace("seeds = [0, 1]", 'seeds = [0]\nmetrics = ["l1"]')
    text += "\n[data.small]\ndata.test = 2\n\n[data.large]\ndata.test = 4\n"
    result = cgkit("study", write(tmp_path, text), "--output", tmp_path / "out", "--json")
    assert result.code == 0
    tables = [(table["data"], table["metric"], table["direction"]) for table in result.json["tables"]]
    assert tables == [(data, "l1", direction) for data in ("small", "large") for direction in ("a2b", "b2a")]
    assert all(entry["p"] is None for table in result.json["tables"] for entry in table["entries"])


def test_two_processes_share_a_study(cgkit_process: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    file = write(tmp_path)
    processes = [cgkit_process("study", file, "--output", tmp_path / "out") for _ in range(2)]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert {process.returncode for process in processes} <= {0, 75}, outputs
    assert set(states(tmp_path / "out").values()) == {"finished"}
    assert len(states(tmp_path / "out")) == 4


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("seeds = [0, 1]", "sedes = [0, 1]", 'study.toml:5: sedes: unknown key; did you mean "seeds"?'),
        ("seeds = [0, 1]", "seeds = [1, 1]", "study.toml:5: seeds: a seed is named twice"),
        ('"no-cycle"]', '"no-cycles"]', "study.toml:6: expected.1: there is no variant 'no-cycles'"),
        ("objective.cycle = 0", "objective.cicle = 0", "study.toml:11: variants.no-cycle.objective.cicle: unknown key"),
        ('base = "spec.toml"', 'base = "none.toml"', "none.toml: there is no such file"),
        ('name = "small"', 'name = "../small"', "study.toml:2: name"),
        ('base = "spec.toml"', 'base = "a\\u0000b"', "study.toml:4: base: "),
        ("objective.cycle = 0", "train.steps = 1979-05-27", "study.toml:11: variants.no-cycle.train.steps: "),
        ("[variants.no-cycle]", "[variants.FULL]\n\n[variants.no-cycle]", "two names differ only in case"),
        (
            "seeds = [0, 1]",
            'metrics = ["pnsr"]',
            'metrics.0: no metric is called "pnsr"; did you mean "psnr"?',
        ),
    ],
)
def test_a_mistake_in_the_file_is_an_error(cgkit: Cli, tmp_path: Path, old: str, new: str, error: str) -> None:
    assert old in STUDY
    result = cgkit("study", write(tmp_path, STUDY.replace(old, new)), "--output", tmp_path / "out")
    assert result.code == 2
    assert error in result.err
    assert not (tmp_path / "out").exists()


def test_a_spec_in_place_of_a_study_is_an_error(cgkit: Cli, tmp_path: Path) -> None:
    result = cgkit("study", write(tmp_path).with_name("spec.toml"), "--output", tmp_path / "out")
    assert result.code == 2
    assert "spec.toml is a spec and describes no study; train it: cgkit run" in result.err


def test_a_metric_that_no_run_has_is_named(cgkit: Cli, study: Path) -> None:
    study.write_text(study.read_text().replace("seeds = [0, 1]", 'seeds = [0, 1]\nmetrics = ["fid", "psnr"]'))
    result = cgkit("study", study, "--output", study.parent / "out", "--results")
    assert result.code == 0
    assert 'no finished run has fid: add [[metric]] name = "fid" to the base spec' in result.err
    assert "no finished run has fid" in (study.parent / "out/study.html").read_text()


def test_a_variant_with_fewer_seeds_says_so(cgkit: Cli, study: Path) -> None:
    shutil.rmtree(study.parent / "out/data/full/seed-1")
    result = cgkit("study", study, "--output", study.parent / "out", "--results")
    assert result.out.count("full (1 of 2 seeds)") == 6


def test_without_scipy_a_sentence_says_what_to_install(
    cgkit: Cli, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    result = cgkit("study", study, "--output", study.parent / "out", "--results")
    assert result.code == 2
    assert 'pip install "cgkit[study]"' in result.err
