from __future__ import annotations

import json
from pathlib import Path

import pytest

from cgkit.errors import CheckpointError, UsageError
from cgkit.report.record import read_record
from cgkit.report.report import write_report
from tests.report.conftest import change

FILES = ("status.json", "spec.toml", "spec.resolved.json", "environment.json", "metrics.jsonl", "evaluation.json")


def test_a_finished_run_has_all_files_and_no_notes(finished: Path) -> None:
    record = read_record(finished)
    assert (record.name, record.status["state"]) == ("tiny", "finished")
    assert record.problems == {}
    assert record.notes == ()
    assert list(record.sheets) == [1, 2, 3, 4]
    assert list(record.history["cycle_forward"]) == [1, 2, 3, 4]
    assert list(record.history["psnr_a2b"]) == [2, 4]
    assert record.evaluation is not None
    assert record.evaluation.step == 4


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_reported_on_the_page(run_folder: Path, name: str) -> None:
    (run_folder / name).unlink()
    if name == "spec.toml":
        (run_folder / "spec.original.toml").unlink()
    page = write_report(run_folder).read_text()
    expected = {"evaluation.json": "This run has not been scored yet: there is no evaluation.json."}
    assert expected.get(name, f"No {name} in this run folder.") in page


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[" * 9000, b"[1]", b'"text"', b"{}", b'{"step": 1}'])
@pytest.mark.parametrize("name", [*FILES, "health.jsonl"])
def test_damaged_files_do_not_prevent_a_report(run_folder: Path, name: str, content: bytes) -> None:
    (run_folder / name).write_bytes(content)
    assert "<h1>" in write_report(run_folder).read_text()


@pytest.mark.parametrize(
    "invalid",
    [
        {"value": "high"},
        {"value": None},
        {"value": 1e300},
        {"interval": [1]},
        {"real": True},
        {"untranslated": float("nan")},
        {"protocol": 3},
        {"name": 3},
    ],
    ids=str,
)
def test_an_evaluation_with_invalid_numbers_is_damaged(run_folder: Path, invalid: dict[str, object]) -> None:
    values = json.loads((run_folder / "evaluation.json").read_text())
    values["numbers"][1] |= invalid
    (run_folder / "evaluation.json").write_text(json.dumps(values))
    assert "is damaged" in read_record(run_folder).problems["evaluation.json"]
    assert "evaluation.json is damaged" in write_report(run_folder).read_text()


@pytest.mark.parametrize("name", ["train", "metric", "name"])
@pytest.mark.parametrize("value", [None, 3, "text", [], {}, [3, {"name": 3}], {"batch": "x", "accumulate": []}])
def test_a_resolved_spec_may_contain_anything(run_folder: Path, name: str, value: object) -> None:
    change(run_folder / "spec.resolved.json", **{name: value})
    assert "<h1>" in write_report(run_folder).read_text()


def test_invalid_lines_are_skipped_and_unusable_values_become_none(tmp_path: Path) -> None:
    lines = [
        '{"step": 1, "loss": 1.5, "text": "x", "flag": true}',
        '{"step": 2, "loss": null}',
        '{"step": 3, "loss": 1e99}',
        '{"step": 4, "loss": 2}',
        '{"step": 2, "loss": 7}',
        '{"step": true, "loss": 1}',
        '{"step": -1, "loss": 1}',
        f'{{"step": 1{"0" * 500}, "loss": 1}}',
        f'{{"step": 3, "loss": 1{"0" * 500}}}',
        '{"loss": 1}',
        "[1, 2]",
        '{"step": 5, "lo',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    history = read_record(tmp_path).history
    assert history["loss"] == {1: 1.5, 2: 7.0, 3: None, 4: 2.0}
    assert list(history["loss"]) == [1, 2, 3, 4]
    assert history["text"] == history["flag"] == {1: None}


def test_notes_are_read_in_order_and_grouped_on_the_page(run_folder: Path) -> None:
    notes = [
        {"step": 20, "rule": "collapse", "direction": "a2b", "message": "alike", "advice": "more data"},
        {"step": 30, "rule": "nothing-changes", "direction": None, "message": "a copy", "advice": "less identity"},
        {"step": 40, "rule": "collapse", "direction": "a2b", "message": "still alike", "advice": "more data"},
    ]
    invalid = [{**notes[0], "step": "late"}, {**notes[0], "message": ["odd"]}, 3, {"step": 9}]
    (run_folder / "health.jsonl").write_text("\n".join(map(json.dumps, [*invalid, *notes])))
    record = read_record(run_folder)
    assert [(note.step, note.rule, note.direction) for note in record.notes] == [
        *((20, "collapse", "a2b"), (30, "nothing-changes", None), (40, "collapse", "a2b"))
    ]
    page = write_report(run_folder).read_text()
    assert "step 20 to 40, 2 times" in page
    assert "still alike" in page
    assert "No warnings." not in page


def test_a_folder_without_run_files_raises(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear reader")
    for name, problem in {"": "is not a run folder", "letter.txt": "is not a folder"}.items():
        with pytest.raises(CheckpointError, match=problem):
            read_record(tmp_path / name)
    with pytest.raises(UsageError, match="does not exist"):
        read_record(tmp_path / "nowhere")
