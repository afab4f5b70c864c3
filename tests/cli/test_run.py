"""`cgkit run`: its output, and one error line with the documented exit code for bad input."""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from cgkit.checkpoints import list_checkpoints
from cgkit.cli import main
from tests.conftest import Result

Run = Callable[..., Result]
MakeFolder = Callable[..., Path]


def folder_spec(tiny_spec: Path, a: Path, b: Path, **options: object) -> Path:
    """Change the tiny spec to train on two folders."""
    lines = "\n".join(f"{name} = {value}" for name, value in options.items())
    data = f'[data]\nsource = "folder"\na = "{a}"\nb = "{b}"\n{lines}'
    text = tiny_spec.read_text().replace('[data]\nsource = "seasons"', data).replace("train = 12\ntest = 4\n", "")
    tiny_spec.write_text(text)
    return tiny_spec


def assert_one_error(result: Result, code: int, *parts: str) -> None:
    lines = [line for line in result.err.splitlines() if line.startswith("error:")]
    assert result.code == code, result.err
    assert len(lines) == 1, result.err
    assert "Traceback" not in result.err
    for part in parts:
        assert part in lines[0]


def test_the_score_against_the_ground_truth_is_printed(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> None:
    result = cgkit("run", tiny_spec, "--output", tmp_path / "run")
    assert result.code == 0
    assert "4 test images, step 4" in result.out
    assert "psnr" in result.out
    assert "step 4/4" in result.err


def test_json_is_one_document_on_stdout(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> None:
    outcome = cgkit("run", tiny_spec, "--output", tmp_path / "run", "--json").json
    assert outcome["state"] == "finished"
    assert {score["name"] for score in outcome["scores"]} == {"psnr", "ssim", "l1"}


def test_the_default_run_folder_is_runs_and_the_name(
    cgkit: Run, tiny_spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cgkit("run", tiny_spec).code == 0
    assert (tmp_path / "runs" / "tiny" / "status.json").exists()


def test_a_finished_run_prints_its_score_again(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> None:
    first = cgkit("run", tiny_spec, "--output", tmp_path / "run")
    again = cgkit("run", tiny_spec, "--output", tmp_path / "run")
    assert again.code == 0
    assert again.out == first.out


def test_all_problems_of_a_spec_are_reported_at_once(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> None:
    tiny_spec.write_text(tiny_spec.read_text().replace("steps = 4", "stepz = 4").replace("blocks = 1", 'blocks = "x"'))
    result = cgkit("run", tiny_spec, "--output", tmp_path / "run")
    assert result.code == 2
    assert 'train.stepz: unknown key; did you mean "steps"?' in result.err
    assert not (tmp_path / "run").exists()


def test_an_unknown_component_is_reported(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> None:
    result = cgkit("run", tiny_spec, "--output", tmp_path / "run", "--set", "generator.name=resnett")
    assert_one_error(result, 2, "generator.name", 'did you mean "resnet"?')


def test_a_missing_spec_is_reported(cgkit: Run, tmp_path: Path) -> None:
    assert_one_error(cgkit("run", tmp_path / "none.toml"), 2, "none.toml", "there is no such file")


def test_an_unknown_device_is_reported(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> None:
    result = cgkit("run", tiny_spec, "--output", tmp_path / "run", "--device", "abacus")
    assert_one_error(result, 2, 'no device "abacus"')


def test_an_empty_folder_is_reported(cgkit: Run, tiny_spec: Path, tmp_path: Path, image_folder: MakeFolder) -> None:
    (tmp_path / "empty").mkdir()
    spec = folder_spec(tiny_spec, image_folder("a"), tmp_path / "empty")
    assert_one_error(cgkit("run", spec, "--output", tmp_path / "run"), 3, "empty")
    assert not (tmp_path / "run").exists()


def test_one_image_per_domain_is_enough(cgkit: Run, tiny_spec: Path, tmp_path: Path, image_folder: MakeFolder) -> None:
    spec = folder_spec(tiny_spec, image_folder("a", 1), image_folder("b", 1))
    assert cgkit("run", spec, "--output", tmp_path / "run").code == 0


def text_called_png(path: Path) -> None:
    path.write_text("not an image")


def truncated_jpeg(path: Path) -> None:
    """Write a JPEG with an intact header, so that only decoding its pixels fails."""
    Image.effect_noise((64, 64), 50).convert("RGB").save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:-300])


def bomb(path: Path) -> None:
    """Write a PNG whose header claims 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    )


def empty(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize("damage", [text_called_png, bomb, empty])
def test_a_bad_image_is_reported_before_training(
    cgkit: Run, tiny_spec: Path, tmp_path: Path, image_folder: MakeFolder, damage: Callable[[Path], None]
) -> None:
    a = image_folder("a")
    damage(a / "bad.png")
    spec = folder_spec(tiny_spec, a, image_folder("b"))
    assert_one_error(cgkit("run", spec, "--output", tmp_path / "run"), 3, "bad.png")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_image_is_reported_and_the_last_step_is_saved(
    cgkit: Run, tiny_spec: Path, tmp_path: Path, image_folder: MakeFolder, workers: int
) -> None:
    a = image_folder("a", 2)
    truncated_jpeg(a / "cut.jpg")
    # The bad one of three images may be drawn first, second or third; the steps before it are saved.
    spec = folder_spec(tiny_spec, a, image_folder("b"), held_out=0)
    overrides = ["--set", f"data.workers={workers}", "--set", "train.batch=1", "--set", "seed=0"]
    result = cgkit("run", spec, "--output", tmp_path / "run", *overrides)
    assert_one_error(result, 3, "cut.jpg: damaged or truncated")
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 3)
    saved = [path.name for path in list_checkpoints(tmp_path / "run" / "checkpoints")]
    assert saved == ([f"step-{status['step']:09d}"] if status["step"] else [])


def test_an_image_smaller_than_the_crop_is_reported(
    cgkit: Run, tiny_spec: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    a = image_folder("a")
    Image.new("RGB", (12, 40)).save(a / "small.png")
    spec = folder_spec(tiny_spec, a, image_folder("b"), held_out=0)
    with spec.open("a") as stream:
        stream.write('\n[[augmentation]]\nname = "resize-and-crop"\nresize = false\n')
    assert_one_error(cgkit("run", spec, "--output", tmp_path / "run"), 3, "small.png", "16")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_reported(
    cgkit: Run, tiny_spec: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    a = image_folder("a")
    a.chmod(0)
    try:
        assert_one_error(
            cgkit("run", folder_spec(tiny_spec, a, image_folder("b")), "--output", tmp_path / "run"), 3, "a"
        )
    finally:
        a.chmod(0o755)


def test_a_run_folder_in_use_is_reported(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"):
        assert_one_error(cgkit("run", tiny_spec, "--output", tmp_path / "run"), 8, "in use")


def test_an_output_that_is_a_file_is_reported(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    assert_one_error(cgkit("run", tiny_spec, "--output", tmp_path / "run"), 7, "cannot be written")
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_keeps_the_previous_checkpoint(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        spec = ["--set", "checkpoint.keep=100", "--set", "train.steps=60", "--set", "train.image_pool=0"]
        result = cgkit("run", tiny_spec, "--output", disk / "run", *spec)
        assert_one_error(result, 7, "free")
        assert list_checkpoints(disk / "run" / "checkpoints")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_running_out_of_memory_is_reported(tiny_spec: Path, tmp_path: Path) -> None:
    messages = tmp_path / "messages"
    child = os.fork()
    if not child:
        code = 1
        try:
            sys.stderr = messages.open("w", buffering=1)
            in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (in_use + 400_000_000, resource.RLIM_INFINITY))
            main(
                [
                    "run",
                    str(tiny_spec),
                    "--output",
                    str(tmp_path / "run"),
                    "--set",
                    "train.batch=500",
                    "--set",
                    "generator.width=256",
                    "--set",
                    "data.size=64",
                ]
            )
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    result = Result(os.waitstatus_to_exitcode(status), "", messages.read_text())
    assert_one_error(result, 7, "out of memory", "train.batch")
