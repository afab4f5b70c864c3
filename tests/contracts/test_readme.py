"""README.md is true: its commands run, its spec is valid, its plugin trains, its messages are those of cgkit."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from cgkit.plugins import load_plugins
from cgkit.spec import load_spec
from tests.conftest import Result

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SMALLER = ["generator.width=2", "discriminator.width=2", "train.epochs=1", "generator.blocks=1"]

Cli = Callable[..., Result]


def block(name: str) -> str:
    """Return the content of the fenced block between two comments."""
    match = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```\n<!-- /{name} -->", README, re.DOTALL)
    assert match, f"README.md has no block {name}"
    return match[1]


def the_spec() -> str:
    match = re.search(r'```toml\n(name = "summer-to-winter".*?)```', README, re.DOTALL)
    assert match
    return match[1]


def test_a_newcomer_gets_two_commands_which_continuous_integration_runs() -> None:
    commands = block("newcomer").splitlines()
    assert commands == ["pip install . && cgkit run examples/seasons.toml", 'pip install -e ".[test]" && pytest -n 2']
    assert "<!-- newcomer -->" in (ROOT / ".ci" / "run").read_text()


def test_the_commands_for_own_folders_run_in_order(
    cgkit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image_folder: Callable[..., Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    photos = image_folder("photos", size=(40, 36))
    image_folder("paintings", size=(36, 40))
    for line in block("tested").splitlines():
        program, command, *arguments = shlex.split(line)
        assert program == "cgkit"
        smaller = [part for setting in SMALLER for part in ("--set", setting)] if command in ("check", "run") else []
        result = cgkit(command, *arguments, *smaller)
        assert result.code == 0, (line, result.err)
    assert {path.name for path in (tmp_path / "translated").glob("image*")} == {path.name for path in photos.iterdir()}


def test_the_spec_is_valid(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(the_spec())
    spec = load_spec(tmp_path / "spec.toml", load_plugins(installed=False))
    assert spec.name == "summer-to-winter"


def test_swapping_on_the_command_line_works_as_shown(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
    match = re.search(r"`cgkit run spec\.toml (--set [^`]+)`", README)
    assert match
    assert cgkit("run", tiny_spec, *match[1].split(), "--output", tmp_path / "run").code == 0


def test_mistakes_are_reported_in_the_words_shown(cgkit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = [line for line in README.splitlines() if line.startswith("error: spec.toml:")]
    wrong = the_spec().replace("cycle = ", "cicle = ").replace("steps = ", "stepz = ")
    Path("spec.toml").write_text(wrong)
    result = cgkit("run", "spec.toml")
    assert [line for line in result.err.splitlines() if line.startswith("error:")] == shown


def test_the_plugin_of_ten_lines_trains(
    cgkit: Cli, tiny_spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    info = site / "cgkit_linear-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "cgkit_linear.py").write_text(block("plugin"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cgkit-linear\nVersion: 1.0\n")
    entry = re.search(r"\[project\.entry-points\.cgkit\]\n(.*)\n", README)
    assert entry
    (info / "entry_points.txt").write_text("[cgkit]\n" + entry[1].replace('"', "") + "\n")
    monkeypatch.syspath_prepend(str(site))
    assert "cgkit-linear 1.0" in cgkit("list-components", "--kind", "generators").out
    linear = ["--set", "generator.name=linear", "--set", "generator.kernel=5"]
    result = cgkit("run", tiny_spec, "--output", tmp_path / "run", *linear)
    assert result.code == 0, result.err


def test_the_python_example_runs(tiny_spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_spec.parent)
    Image.new("RGB", (20, 24), "teal").save("photo.png")
    names: dict[str, Any] = {}
    exec(block("python").replace("train.steps=100", "train.steps=2"), names)
    assert names["outcome"].step == 2
    assert names["translator"].direction == "a2b"
    with Image.open("translated.png") as translated:
        assert translated.size == (20, 24)


def test_every_command_that_uses_a_run_works(
    cgkit: Cli,
    tiny_spec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    image_folder: Callable[..., Path],
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [tmp_path / "one", tmp_path / "other"]
    for seed, run in enumerate(runs):
        assert cgkit("run", tiny_spec, "--output", run, "--set", f"seed={seed}").code == 0
    image_folder("photos")
    for name in ("scan.tif", "panorama.tif"):
        Image.new("RGB", (48, 40), "teal").save(name)
    _write_clip(Path("clip.mp4"))
    assert cgkit("export", runs[0], "--format", "published", "--output", "latest_net_G_A.pth").code == 0
    commands = re.findall(r"^\| `cgkit ((?:translate|evaluate|compare|export|import) [^`]+)` \|", README, re.MULTILINE)
    assert len(commands) == 9
    for command in commands:
        folders = map(str, runs)
        arguments = [re.sub("^RUN(?=$|@)", lambda _: next(folders), word) for word in shlex.split(command)]  # noqa: B023
        result = cgkit(*arguments)
        assert result.code == 0, (command, result.err)
        written = Path(arguments[arguments.index("--output") + 1]) if "--output" in arguments else runs[0]
        assert written.exists(), command
    translated = {path.name for path in Path("translated").iterdir()}
    assert {"scan.tif", "panorama.tif", "clip.mp4", "image-0.png"} <= translated


def test_the_study_can_be_planned(cgkit: Cli, tmp_path: Path) -> None:
    (command,) = re.findall(r"^\| `cgkit (study [^`]+)` \|", README, re.MULTILINE)
    result = cgkit(*shlex.split(command.replace("examples", str(ROOT / "examples"))), "--dry-run")
    assert result.code == 0
    assert "9 runs to train, in about" in result.err


def _write_clip(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for level in (60, 120, 180):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), level, dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_the_picture_exists() -> None:
    match = re.search(r"!\[[^]]+\]\(([^)]+\.png)\)", README)
    assert match
    with Image.open(ROOT / match[1]) as picture:
        assert picture.width > 500


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
