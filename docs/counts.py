"""Measure the size of the code, its imports, and how much code a run executes; compare the numbers with limits.

python docs/counts.py
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cgkit"
FAMILIES = ("cli", "components", "testing/checks")
"""Folders whose size is limited only by the number of commands, components or kinds."""

TRACE = """
import inspect, json, sys, threading
import torch
root, spec, output, codes, counting = *sys.argv[1:], {}, True

def profile(frame, event, argument):
    code = frame.f_code
    if counting and event == "call" and code.co_filename.startswith(root):
        codes[code] = codes.get(code, 0) + 1

class FirstStep(BaseException):
    pass

def stop(*arguments, **named):
    global counting
    counting = False
    raise FirstStep

torch.optim.Adam.step = stop
from cgkit.cli import main
threading.setprofile(profile)
sys.setprofile(profile)
try:
    main(["run", spec, "--output", output])
except FirstStep:
    pass
bodies = {code for code in codes if code.co_name == "<module>" or not code.co_flags & inspect.CO_NEWLOCALS}
names = [f"{code.co_filename[len(root) + 1:]}:{code.co_qualname}" for code in codes if code not in bodies]
reads = sum(count for code, count in codes.items() if code.co_qualname == "read_layer")
print(json.dumps({"entered": names, "bodies": len(bodies), "reads": reads}))
"""


@dataclass(frozen=True)
class Count:
    """A number and its limit: a maximum, or a minimum if `at_least`; None if the number is only reported."""

    name: str
    value: float
    limit: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the number is within its limit."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def counts() -> list[Count]:
    """Return all counts."""
    modules = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    lengths = [length for text in modules.values() for length in function_lengths(text)]
    folder, size = largest_folder(modules)
    entered = functions_until_the_first_step()
    return [
        Count("lines of cgkit/", sum(len(text.splitlines()) for text in modules.values()), 43_950),
        Count("modules", len(modules)),
        Count(
            "median lines of a module", sorted(len(text.splitlines()) for text in modules.values())[len(modules) // 2]
        ),
        Count(f"modules in the largest folder, {folder}", size, 15),
        Count("lines of engine/step.py", len(modules[PACKAGE / "engine" / "step.py"].splitlines()), 60),
        Count("functions", len(lengths)),
        Count(
            "fraction of functions with at most 25 lines",
            sum(n <= 25 for n in lengths) / len(lengths),
            0.95,
            at_least=True,
        ),
        Count("lines of the longest function", max(lengths), 60),
        Count("modules in import cycles, imports for types included", len(circular_modules(modules)), 0),
        Count("functions and comprehensions entered by `cgkit run` until the first step", len(entered["entered"]), 770),
        Count("module and class bodies executed until then", entered["bodies"]),
        Count("times the spec is read", entered["reads"], 1),
    ]


def function_lengths(text: str) -> Iterator[int]:
    """Yield the number of lines of each function, without decorators."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def largest_folder(modules: dict[Path, str]) -> tuple[str, int]:
    """Return the folder with the most modules and their number, not counting `FAMILIES` and `__init__.py` files."""
    folders = Counter(
        path.parent.relative_to(PACKAGE)
        for path in modules
        if path.name != "__init__.py" and not any(path.is_relative_to(PACKAGE / family) for family in FAMILIES)
    )
    folder, size = folders.most_common(1)[0]
    return folder.as_posix(), size


def circular_modules(modules: dict[Path, str]) -> set[str]:
    """Return the modules in import cycles; imports inside functions and imports for types also count."""
    names = {_name_of(path): path for path in modules}
    graph = {name: set(_imports(modules[path], names)) - {name} for name, path in names.items()}
    return {name for name in graph if name in _reachable(graph, name)}


def functions_until_the_first_step() -> dict[str, list[str] | int]:
    """Run `examples/seasons.toml` until the first optimizer step; return the counts of `TRACE`."""
    with tempfile.TemporaryDirectory() as folder:
        spec = ROOT / "examples" / "seasons.toml"
        command = [sys.executable, "-c", TRACE, str(PACKAGE), str(spec), str(Path(folder) / "run")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    result: dict[str, list[str] | int] = json.loads(done.stdout.splitlines()[-1])
    return result


def _name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(text: str, names: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in names:
                    yield inner
                elif node.module in names:
                    yield node.module


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph[name]
    return seen


def main() -> None:
    """Print the counts; exit with code 1 if any of them violates its limit."""
    found = counts()
    for count in found:
        value = f"{count.value:.3f}" if count.value < 1 and count.value else f"{count.value:,.0f}"
        limit = "" if count.limit is None else f"{'at least' if count.at_least else 'at most'} {count.limit:,g}"
        print(f"{'  ' if count.holds else 'X '}{value:>8}  {limit:<16}  {count.name}")
    sys.exit(not all(count.holds for count in found))


if __name__ == "__main__":
    main()
