"""The documentation is true and complete: its snippets are run, and every part of the plugin contract is described."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cgkit import contracts, hookspecs
from cgkit import errors as errors_of_cgkit
from cgkit.cli.run import STOPPED
from cgkit.components.formats import FORMATS
from cgkit.files.limits import MAX_BYTES, MAX_PIXELS
from cgkit.plugins import HOOKS, load_plugins
from cgkit.runs.continuing.resume import MAY_CHANGE, MAY_CHANGE_IN_DATA
from cgkit.spec import load_spec
from cgkit.testing import check_component
from tests.conftest import TINY, Result

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "_build" not in path.parts)
TUTORIAL = "plugins/tutorial.md"
"""tests/contracts/test_tutorial.py runs it."""

_FEWER = ("generator.width=2", "generator.blocks=1", "discriminator.width=2", "train.steps=1", "evaluation.count=2")
SMALLER = tuple(word for setting in _FEWER for word in ("--set", setting))
"""Overrides with which a starter spec trains in seconds."""

EVERY_PAGE = pytest.mark.parametrize("page", PAGES)

_FENCE = re.compile(
    r"(?P<marks>(?:^<!-- [^\n]* -->\n)*)^```(?P<language>[\w{}-]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_MARK = re.compile(r"<!-- ([\w ]+?)(?:: (.*?))? -->")

Cli = Callable[..., Result]


@dataclass(frozen=True)
class Fence:
    """A fenced block and the marks in comments directly above it.

    Marks are `file: NAME`, `not run: WHY`, `exits: CODE`, `smaller`, `not a spec: WHY` and `needs: PACKAGE`.
    """

    language: str
    text: str
    marks: Mapping[str, str] = field(default_factory=dict)


def text_of(page: str) -> str:
    return (DOCS / page).read_text()


def fences(page: str) -> list[Fence]:
    blocks = []
    for match in _FENCE.finditer(text_of(page)):
        marks = {name: value or "" for name, value in _MARK.findall(match["marks"])}
        blocks.append(Fence(match["language"], match["text"], marks))
    return blocks


def commands(fence: Fence) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Yield the environment variables and the words of each command in a shell block."""
    for line in fence.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        variables = {}
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
        if words:
            yield variables, words


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", re.sub(_FENCE, "", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def headings(page: str) -> set[str]:
    return {heading.strip("`") for heading in re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)}


# Snippets do what the page says.


@pytest.mark.parametrize("page", [page for page in PAGES if page != TUTORIAL])
def test_every_snippet_runs_and_prints_what_the_page_shows(
    page: str, cgkit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image_folder: Callable[..., Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CGKIT_PLUGINS", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    if "cgkit init" not in text_of(page):
        Path("spec.toml").write_text(TINY)
    for folder, size in (("photos", (40, 36)), ("paintings", (36, 40)), ("summer", (40, 36)), ("winter", (40, 36))):
        image_folder(folder, size=size)
    names: dict[str, Any] = {"__name__": "page"}
    output: str | None = None
    for fence in fences(page):
        if "file" in fence.marks:
            Path(fence.marks["file"]).write_text(fence.text)
        elif "not run" in fence.marks:
            output = None
        elif fence.language == "python":
            exec(compile(fence.text, page, "exec"), names)
        elif fence.language == "sh":
            output = run_commands(fence, cgkit, monkeypatch)
        elif fence.language == "text" and output is not None:
            assert_shown(fence.text, output)


def run_commands(fence: Fence, cgkit: Cli, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the commands of a block; return their output."""
    output = ""
    for variables, (program, *arguments) in commands(fence):
        assert program == "cgkit", f"only cgkit's commands are run, not {program}: mark the block as not run"
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            smaller = SMALLER if "smaller" in fence.marks and arguments[0] in ("run", "check") else ()
            result = cgkit(*arguments, *smaller)
        assert result.code == int(fence.marks.get("exits", "0")), (arguments, result.err)
        output += result.out + result.err
    return output


def assert_shown(text: str, output: str) -> None:
    """Assert that every line of a page's output was printed; `...` matches anything."""
    printed = [line.strip() for line in output.splitlines()]
    for line in filter(None, map(str.strip, text.splitlines())):
        pattern = ".*".join(re.escape(part) for part in line.split("..."))
        assert any(re.fullmatch(pattern, printed_line) for printed_line in printed), f"{line}\nis missing in\n{output}"


@EVERY_PAGE
def test_every_spec_on_a_page_is_valid(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGKIT_PLUGINS", "")
    written = {fence.marks["file"]: fence.text for fence in fences(page) if "file" in fence.marks}
    for name, text in {"spec.toml": TINY, **written}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    plugins = load_plugins(files=[tmp_path / name for name in written if name.endswith(".py") and "/" not in name])
    for number, fence in enumerate(fence for fence in fences(page) if fence.language == "toml"):
        tomllib.loads(fence.text)
        # The tutorial's spec needs the tutorial's package.
        if "not a spec" not in fence.marks and "needs" not in fence.marks and page != TUTORIAL:
            file = tmp_path / fence.marks.get("file", f"snippet-{number}.toml")
            file.write_text(fence.text)
            load_spec(file, plugins)


PACKAGED = ("tune", "volumes")
"""Commands of the packages under plugins/, whose own tests run them."""


@EVERY_PAGE
def test_every_command_on_a_page_exists_with_its_options(
    page: str, cgkit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CGKIT_PLUGINS", "")
    lines = []
    for fence in fences(page):
        if "file" in fence.marks:
            Path(fence.marks["file"]).write_text(fence.text)
        if fence.language in ("sh", "console", "shell", "bash"):
            lines += [words for _, words in commands(fence)]
    inline = re.findall(r"`(cgkit [a-z][^`\n]*)`", re.sub(_FENCE, "", text_of(page)))
    lines += [shlex.split(code) for code in inline]
    for program, *arguments in lines:
        if program == "cgkit" and arguments[0] not in PACKAGED:
            # With --help, the arguments are parsed but the command does not run.
            result = cgkit(*arguments, "--help")
            assert result.code == 0, (arguments, result.err)


@EVERY_PAGE
def test_every_link_has_a_target(page: str) -> None:
    text = re.sub(_FENCE, "", text_of(page))
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        file = ((DOCS / page).parent / path).resolve() if path else DOCS / page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.relative_to(DOCS).as_posix()), target


def test_every_page_is_in_the_table_of_contents() -> None:
    (toctree,) = [fence for fence in fences("index.md") if fence.language == "{toctree}"]
    listed = [line for line in toctree.text.splitlines() if line and not line.startswith(":")]
    assert sorted(f"{entry}.md" for entry in listed) == [page for page in PAGES if page != "index.md"]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", tmp_path / "trees"]
    done = subprocess.run([*sphinx, DOCS, tmp_path / "site"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / "site" / page).with_suffix(".html").is_file() for page in PAGES)


@pytest.mark.parametrize("page", [page for page in PAGES if "@cgkit.hookimpl" in text_of(page) and page != TUTORIAL])
def test_every_component_on_a_page_passes_the_conformance_kit(page: str, tmp_path: Path) -> None:
    files = []
    for fence in fences(page):
        if fence.language == "python" and "file" in fence.marks:
            files.append(tmp_path / fence.marks["file"])
            files[-1].write_text(fence.text)
    plugins = load_plugins(installed=False, files=files)
    assert [status.reason for status in plugins.failed] == []
    components = [component for registry in plugins.registries for component in registry]
    own = [component for component in components if component.provider != "cgkit"]
    assert own
    results = [result for component in own for result in check_component(component)]
    assert [result for result in results if result.outcome == "failed"] == []


# Figures and names in the documentation are those of the code and of the benchmarks.


def test_all_exit_codes_are_explained_and_no_others() -> None:
    explained = {int(code) for code in re.findall(r"^\| (\d+) \|", text_of("guide/faults.md"), re.MULTILINE)}
    errors = [error for error in vars(errors_of_cgkit).values() if inspect.isclass(error)]
    raised = {error.exit_code for error in errors if issubclass(error, errors_of_cgkit.CgkitError)}
    assert explained == raised | {0, STOPPED, 130}


def test_all_settings_that_may_change_between_two_starts_are_named() -> None:
    text = text_of("guide/resuming.md")
    assert [name for name in (*MAY_CHANGE, *MAY_CHANGE_IN_DATA) if f"`{name}`" not in text] == []


def test_the_limits_on_images_are_those_of_the_code() -> None:
    text = text_of("images/own-images.md")
    assert [name for name in FORMATS if name.lower() not in text.lower().replace("jpeg 2000", "jpeg2000")] == []
    assert f"{MAX_PIXELS // 10**6} million pixels and {MAX_BYTES // 10**6} MB" in text


def test_the_figures_of_a_training_step_are_those_that_the_benchmark_wrote() -> None:
    rows = json.loads((ROOT / "benchmarks/results/training_step-cpu.json").read_text())["rows"]
    table = re.compile(r"<!-- speed -->(.*?)<!-- /speed -->", re.DOTALL)
    tables = table.findall(text_of("benchmarks.md"))
    assert len(tables) == 1
    for shown in tables + table.findall((ROOT / "README.md").read_text()):
        for row in rows:
            time = f"{row['time']['median']:.2f} s" if row["step"].startswith("plain") else f"{row['faster']:.2f}x"
            line = next(line for line in shown.splitlines() if line.strip().startswith(f"| {row['size']} px"))
            assert f" {time}, {row['memory, GB']:.2f} GB " in line, row["step"]


# The generated pages are up to date.


def generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location("cgkit_docs_generate", DOCS / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_generated_pages_are_up_to_date() -> None:
    pages = generator().pages()
    assert pages
    stale = [path for path, text in pages.items() if text_of(path) != text]
    assert stale == [], "run python docs/generate.py"


# Every part of the plugin contract has a heading and a test.


def optional_parts() -> set[str]:
    """Return the names of the optional attributes and methods of all contracts."""
    protocols = [value for value in vars(contracts).values() if getattr(value, "_is_protocol", False)]
    texts = [inspect.getdoc(protocol) or "" for protocol in protocols] + [contracts.__doc__ or ""]
    listed = {
        name
        for text in texts
        if "Optional" in text
        for name in re.findall(r"^    (\w+)(?:\([\w, ]*\))?: ", text.partition("Optional")[2], re.MULTILINE)
    }
    mentioned = {name for text in texts for name in re.findall(r"method `(\w+)\(", text)}
    return listed | mentioned


def classes() -> list[str]:
    """Return the names of the protocols in the contracts, and of the records that they use."""
    return [
        name
        for name in contracts.__all__
        if inspect.isclass(value := getattr(contracts, name)) and value not in (contracts.Kind,)
        if getattr(value, "_is_protocol", False) or name in ("ImageRecord", "Cycle", "Recognised")
    ]


def sources_of_tests() -> str:
    files = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("plugins/*/tests/*.py")]
    return "\n".join(file.read_text() for file in files if file != Path(__file__))


PARTS = [*sorted(optional_parts()), "role", "aligned", "compares", "features"]


def test_the_optional_parts_of_the_contracts_are_found() -> None:
    assert {"stride", "remembers_images", "penalty", "wants_real_logits", "observe", "smallest", "order"} <= set(PARTS)
    assert {"recommended", "example", "mixes_samples", "initialises_itself", "better", "extractor"} <= set(PARTS)
    assert set(HOOKS) == {name for name in vars(hookspecs) if name.startswith("cgkit_")}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_heading_an_example_and_a_test(hook: str) -> None:
    assert hook in headings("plugins/hooks.md")
    assert any(f"def {hook}(" in fence.text for fence in fences("plugins/hooks.md"))
    assert f"def {hook}(" in sources_of_tests()


@pytest.mark.parametrize("kind", contracts.KINDS, ids=lambda kind: kind.table)
def test_every_kind_has_a_contract_a_heading_an_example_and_a_test(kind: contracts.Kind) -> None:
    protocol = kind.table.title().replace("_", "")
    assert protocol in classes()
    assert protocol in headings("plugins/contracts.md")
    assert any(f"registries.{kind.name}.add(" in fence.text for fence in fences("plugins/contracts.md"))
    assert f"registries.{kind.name}" in sources_of_tests()


@pytest.mark.parametrize("name", classes())
def test_every_class_of_the_contracts_has_a_heading(name: str) -> None:
    assert name in headings("plugins/contracts.md")


@pytest.mark.parametrize("part", PARTS)
def test_every_optional_part_has_a_heading_an_example_and_a_test(part: str) -> None:
    assert part in headings("plugins/contracts.md")
    examples = "".join(fence.text for fence in fences("plugins/contracts.md"))
    assert re.search(rf"(def {part}\(|^    {part} = |^        self\.{part} = )", examples, re.MULTILINE)
    assert re.search(rf"(def {part}\(|\b{part} = |\b{part}: |\.{part}\b)", sources_of_tests())


@EVERY_PAGE
def test_lines_are_short_enough_for_an_editor(page: str) -> None:
    if text_of(page).startswith("<!-- Written by"):
        return
    assert [line for line in text_of(page).splitlines() if len(line) > 140] == []
