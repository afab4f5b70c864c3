"""The project's prose keeps to the glossary in CONTRIBUTING.md: these phrases are refused wherever people read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

REFUSED = {
    r"\bmade images?\b": "generated image",
    r"\b(is|are|be|was|were) told\b": "reported, warned, printed",
    r"\bas of `": "see `...`",
    r"\bwhat [\w -]{1,40} is what\b": "say it directly",
    r"\bof folders,": "say which folders, and what of them",
    r"\banew\b": "again, from scratch",
    r"\bbeside\b": "next to, along with, besides",
    r"\bstands? in\b": "is in",
    r"\b[Ww]hoever\b": "anyone who, users who",
    r"\bfor want of\b": "without",
    r"\bat one go\b": "at once",
    r"\bpass(es|ed) over\b": "skipped, ignored",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bBecome what\b": "Restore",
    r"\bthere and back\b": "reconstruction",
    r"\bso as none\b": "say it directly",
}
READ_BY_PEOPLE = (".py", ".md", ".toml", ".html", ".template", ".sh")
EXCEPTIONS = ("CONTRIBUTING.md", "tests/contracts/test_language.py")
"""They quote the phrases."""


def read_files() -> dict[str, str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    paths = listed if any(listed) else [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
    named = (path for path in paths if path.endswith(READ_BY_PEOPLE) and path not in EXCEPTIONS)
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in named if (ROOT / path).is_file()}


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return read_files()


@pytest.mark.parametrize("pattern", REFUSED)
def test_the_prose_does_without(pattern: str, files: dict[str, str]) -> None:
    assert len(files) > 300
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert not found, f"write {REFUSED[pattern]!r} instead:\n" + "\n".join(found)
