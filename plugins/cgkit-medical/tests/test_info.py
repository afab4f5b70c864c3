"""`cgkit volumes info` says what folders hold, and suggests a spec that trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.mark.usefixtures("folder")
def test_volumes_and_their_values_are_described(cgkit: Cli) -> None:
    result = cgkit("volumes", "info", "ct")
    assert result.code == 0
    lines = [line.split(maxsplit=1) for line in result.out.splitlines()]
    assert result.out.startswith("ct: 3 volumes of 3 patients\n")
    described = {line[0]: line[1] for line in lines[1:]}
    assert described["size"] == "22 x 20 x 8 voxels"
    assert described["spacing"] == "1.5 x 1.404 x 3.002 mm"
    assert described["orientation"] == "LAS"
    assert described["type"] == "int16"
    assert described["padding"] == "-3024 in 3"
    assert "50 %: -1000" in described["values"]


def test_the_suggested_spec_trains(cgkit: Cli, folder: Path) -> None:
    (folder / "mr/notes.txt").write_text("")
    result = cgkit("volumes", "info", "mr", "ct", "--neighbours", 1, "--output", "suggested.toml")
    assert result.code == 0, result.err
    assert "not volumes  1 .txt" in result.out
    text = (folder / "suggested.toml").read_text()
    assert "b = [-1000.0, 1000.0]" in text
    assert "a = [0.0, 900.0]" in text
    assert "channels = 3\n" in text
    networks = [f"{kind}.width=4" for kind in ("generator", "discriminator")]
    small = [part for setting in ("train.steps=1", "generator.blocks=1", *networks) for part in ("--set", setting)]
    result = cgkit("run", "suggested.toml", *small, "--output", "suggested")
    assert result.code == 0, result.err
    again = cgkit("volumes", "info", "mr", "ct", "--output", "suggested.toml")
    assert (again.code, "suggested.toml exists" in again.err) == (2, True)


@pytest.mark.usefixtures("folder")
def test_a_folder_without_volumes_is_refused(cgkit: Cli) -> None:
    result = cgkit("volumes", "info", "nowhere")
    assert result.code != 0
    assert "nowhere does not exist" in result.err
