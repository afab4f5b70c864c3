"""The specs and the commands of the guide work, on small slides and stacks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from .test_slides import write_svs
from .test_sources import with_tissue

Cli = Callable[..., tuple[int, str]]

GUIDE = Path(__file__).parents[3] / "docs" / "images" / "microscopy.md"
SMALLER = ("generator.width=2", "generator.blocks=1", "discriminator.width=2", "train.steps=1", "evaluation.count=2")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


def make_slides(folder: Path) -> None:
    for number in range(3):
        write_svs(folder / f"{number}.svs", with_tissue(0, 0, 480).repeat(2, 0).repeat(2, 1))


def make_stacks(folder: Path) -> None:
    folder.mkdir()
    for number in range(3):
        values = np.random.default_rng(number).integers(0, 4000, (2, 260, 260)).astype(np.uint16)
        tifffile.imwrite(folder / f"{number}.ome.tif", values, metadata={"axes": "ZYX"})


@pytest.mark.parametrize(
    ("number", "domains", "make", "suffix"),
    [(0, ("he", "ihc"), make_slides, ".ome.tif"), (1, ("brightfield", "nuclei"), make_stacks, ".ome.tif")],
)
def test_the_commands_of_the_guide_work(
    cgkit: Cli, tmp_path: Path, monkeypatch: Any, number: int, domains: tuple[str, str], make: Any, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for domain in domains:
        make(tmp_path / domain)
    spec = next(text for text in blocks("toml") if f'name = "{domains[0]}-to-{domains[1]}"' in text)
    commands = [shlex.split(line, comments=True) for line in blocks("sh")[number].splitlines()]
    assert len(commands) == 5
    Path(commands[1][2]).write_text(spec)
    smaller = [word for setting in (*SMALLER, "train.batch=1") for word in ("--set", setting)]
    for _, command, *arguments in commands[1:]:
        more = smaller if command in ("check", "run") else []
        code, messages = cgkit(command, *arguments, *more)
        assert code == 0, messages
    assert len(list(Path("translated").glob(f"*{suffix}"))) == 3
