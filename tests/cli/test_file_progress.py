"""Progress of `cgkit translate`: a bar in a terminal, otherwise lines."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from cgkit.cli.file_progress import FileProgress

LONG = Path("out") / f"{'long name ' * 12}.png"


def test_a_terminal_shows_the_count_the_speed_the_time_left_and_the_name_on_one_line() -> None:
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=80, height=20, color_system=None)
    with FileProgress(terminal) as progress:
        progress.start(12_000)
        for _ in range(40):
            progress.finish(LONG, translated=True)
        progress.share(Path("clip.mp4"), 0.5)
        for _ in range(2):
            progress.finish(LONG, translated=False)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", drawn) if line.strip()]
    assert all(len(line) <= 80 for line in lines)
    assert "42 of 12000" in lines[-1]
    assert re.search(r"\d images/s  [\d:]+ left", lines[-1])
    assert "long name" in lines[-1]


def test_a_log_has_a_line_at_most_every_interval(capsys: pytest.CaptureFixture[str]) -> None:
    with FileProgress(interval=0) as progress:
        progress.start(3)
        progress.finish(Path("out/a.png"), translated=False)
        progress.finish(Path("out/b.png"), translated=True)
        progress.share(Path("in/clip.mp4"), 0.25)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "1 of 3  a.png"
    assert re.fullmatch(r"2 of 3  [\d.]+ images/s  0:00 left  b.png", lines[1])
    assert lines[2].endswith("left  clip.mp4 25%")
    with FileProgress() as progress:
        progress.start(3)
        progress.finish(Path("out/a.png"), translated=True)
    assert capsys.readouterr().err == ""
