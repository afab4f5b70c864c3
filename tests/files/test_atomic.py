"""A file is replaced all or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgkit.files.atomic import replace_text, replacing


def test_a_new_text_replaces_the_old_one(tmp_path):
    file = tmp_path / "x.json"
    for text in ("old", "new ü"):
        replace_text(file, text)
        assert file.read_text(encoding="utf-8") == text
    assert list(tmp_path.iterdir()) == [file]


def test_nothing_changes_if_writing_fails(tmp_path):
    file = tmp_path / "x.json"
    file.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), replacing(file) as temporary:
        fail(temporary)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_an_interruption_leaves_no_temporary_file(tmp_path):
    def write() -> None:
        with replacing(tmp_path / "x") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "画" * 85])
def test_the_longest_possible_file_name_works(tmp_path, name):
    file = tmp_path / name
    replace_text(file, "text")
    assert file.read_text() == "text"
    assert list(tmp_path.iterdir()) == [file]


def test_the_temporary_file_is_in_the_same_folder(tmp_path):
    with replacing(tmp_path / "x") as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("")
