from __future__ import annotations

from pathlib import Path

from cgkit.health.notes import Note, keep, read_notes, rewind

NOTES = [
    Note(0, "data-starved", None, "each image is shown often", "add images"),
    Note(40, "collapse", "a2b", "one image", 'set name = "größer"'),
]


def test_written_notes_are_read_back(tmp_path: Path) -> None:
    assert read_notes(tmp_path) == ()
    keep(tmp_path, NOTES[:1])
    keep(tmp_path, NOTES[1:])
    assert read_notes(tmp_path) == tuple(NOTES)


def test_invalid_lines_are_skipped(tmp_path: Path) -> None:
    keep(tmp_path, NOTES)
    with (tmp_path / "health.jsonl").open("a") as file:
        file.write('[]\n{"step": 3}\n{"st')
    assert read_notes(tmp_path) == tuple(NOTES)


def test_rewinding_deletes_later_notes(tmp_path: Path) -> None:
    keep(tmp_path, NOTES)
    rewind(tmp_path, 39)
    assert read_notes(tmp_path) == (NOTES[0],)
    rewind(tmp_path, -1)
    assert read_notes(tmp_path) == ()


def test_a_note_is_formatted_as_one_line() -> None:
    assert str(NOTES[1]) == 'collapse a2b: one image; set name = "größer"'
    assert str(NOTES[0]) == "data-starved: each image is shown often; add images"
