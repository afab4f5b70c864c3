"""Draw docstrings, comments and messages at random, for review by someone who did not write them.

    python docs/prose.py --seed 1 --count 100

CONTRIBUTING.md says how prose should read. The same seed draws the same sample from the same code.
"""

from __future__ import annotations

import argparse
import ast
import io
import random
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("cgkit", "plugins", "benchmarks", "examples", "docs")
LEAST_WORDS = 5


def prose() -> Iterator[tuple[str, str]]:
    """Yield the place and text of every docstring, comment and error message of at least `LEAST_WORDS` words."""
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            for line, passage in sorted([*_strings(text), *_comments(text)]):
                if len(passage.split()) >= LEAST_WORDS:
                    yield f"{file.relative_to(ROOT)}:{line}", passage


def _strings(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for argument in [*node.exc.args, *(keyword.value for keyword in node.exc.keywords)]:
                if isinstance(argument, ast.Constant | ast.JoinedStr):
                    yield argument.lineno, ast.unparse(argument)


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each comment; comments on consecutive lines are joined."""
    start, end, words = 0, -1, ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("# noqa", "# type:")):
            row = token.start[0]
            if row == end + 1:
                words, end = f"{words} {token.string[2:]}", row
                continue
            if words:
                yield start, words
            start, end, words = row, row, token.string
    if words:
        yield start, words


def main() -> None:
    """Print the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--under", default="", help="draw only from files whose path begins with this text")
    options = parser.parse_args()
    passages = [(place, passage) for place, passage in prose() if place.startswith(options.under)]
    sample = random.Random(options.seed).sample(passages, min(options.count, len(passages)))
    print(f"{len(sample)} of {len(passages)} passages, seed {options.seed}\n")
    for number, (place, passage) in enumerate(sample, start=1):
        print(f"[{number}] {place}\n{passage.strip()}\n")


if __name__ == "__main__":
    main()
