from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result


def test_check_reports_the_cost_of_a_run_and_writes_nothing(
    cgkit: Callable[..., Result], tiny_spec: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    report = cgkit("check", tiny_spec, "--json").json
    assert report["images"]["a"] == {
        "train": 12,
        "test": 4,
        "sizes": "rendered by the source",
        "values": "rendered by the source",
        "range": [0, 255],
    }
    assert report["steps"] == 4
    assert report["precision"] == "fp32"
    assert report["parameters"]["generator a2b"] > 1000
    assert report["seconds_a_step"] > 0
    parts = report["verdict"]["parts"]
    assert parts["training"] == 4 * report["seconds_a_step"]
    assert report["seconds_in_all"] == report["verdict"]["seconds"] == pytest.approx(sum(parts.values()))
    assert min(parts.values()) > 0
    assert report["peak_memory"] > 1e7
    assert set(report["losses"]) >= {"adversarial_a2b", "cycle_forward", "discriminator_a"}
    assert sorted(tmp_path.rglob("*")) == before


def test_check_prints_a_readable_summary(
    cgkit: Callable[..., Result], tiny_spec: Path, image_folder: Callable[..., Path]
) -> None:
    a, b = image_folder("a", 5, (30, 20)), image_folder("b", 6, (18, 40))
    data = f'[data]\nsource = "folder"\na = "{a}"\nb = "{b}"\nheld_out = 0.2'
    text = tiny_spec.read_text().replace('[data]\nsource = "seasons"', data).replace("train = 12\ntest = 4\n", "")
    tiny_spec.write_text(text)
    result = cgkit("check", tiny_spec)
    assert result.code == 0
    assert "domain a: 4 training images, 1 test images, 30x20" in result.out
    assert "domain a: 3 channels of uint8, black at 0 and white at 255" in result.out
    assert "M parameters" in result.out
    assert "peak memory" in result.out


def test_check_reports_an_unreadable_image(
    cgkit: Callable[..., Result], tiny_spec: Path, image_folder: Callable[..., Path]
) -> None:
    a = image_folder("a")
    (a / "bad.png").write_text("text")
    data = f'[data]\nsource = "folder"\na = "{a}"\nb = "{image_folder("b")}"'
    text = tiny_spec.read_text().replace('[data]\nsource = "seasons"', data).replace("train = 12\ntest = 4\n", "")
    tiny_spec.write_text(text)
    result = cgkit("check", tiny_spec)
    assert result.code == 3
    assert "bad.png" in result.err


def test_a_size_that_the_generator_does_not_support_is_rejected(cgkit: Callable[..., Result], tiny_spec: Path) -> None:
    result = cgkit("check", tiny_spec, "--set", "data.size=18")
    assert result.code == 2
    assert "height and width must be multiples of 4" in result.err


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the peak of a process")
def test_the_reported_peak_memory_is_that_of_the_run(
    tiny_spec: Path, tmp_path: Path, cgkit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    larger = [part for value in ("data.size=96", "generator.width=32", "train.batch=4") for part in ("--set", value)]

    def output_and_peak(*arguments: object) -> tuple[str, int]:
        process = cgkit_process(*arguments, *larger)
        peak = 0
        # What the process's parent held when it forked does not count, as it would in the result of `wait4`.
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, *(int(kilobytes) * 1024 for kilobytes in re.findall(r"VmHWM:\s*(\d+)", status)), 0)
            time.sleep(0.02)
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        return output, peak

    output, _ = output_and_peak("check", tiny_spec, "--json")
    _, peak = output_and_peak("run", tiny_spec, "--output", tmp_path / "run")
    assert json.loads(output)["peak_memory"] == pytest.approx(peak, rel=0.15)


def test_the_verdict_compares_what_a_run_needs_with_the_machine(cgkit: Callable[..., Result], tiny_spec: Path) -> None:
    result = cgkit("check", tiny_spec, "--set", "train.batch=1")
    assert re.search(r"^time: \d+ seconds?; started now, it ends on .* \(training", result.out, re.MULTILINE)
    assert re.search(r"^peak memory: [\d.]+ [MG]B of [\d.]+ GB$", result.out, re.MULTILINE)
    assert re.search(r"^disk: [\d.]+ [MG]B of [\d.]+ [MG]B that are free \(checkpoints", result.out, re.MULTILINE)
    assert result.out.splitlines()[-1] == f"next: cgkit run {tiny_spec} --set train.batch=1"
    assert "change:" in result.out  # too few steps


def test_a_run_that_is_too_long_gets_settings_that_fit_a_night(cgkit: Callable[..., Result], tiny_spec: Path) -> None:
    verdict = cgkit("check", tiny_spec, "--set", "train.epochs=1000000", "--json").json["verdict"]
    setting = re.search(r"--set (train.steps=\d+)", verdict["changes"][0])
    assert setting
    shorter = cgkit("check", tiny_spec, "--set", setting[1], "--json").json
    assert shorter["steps"] == int(setting[1].partition("=")[2])
    assert shorter["verdict"]["seconds"] < verdict["seconds"]


def test_a_run_that_shows_too_few_images_is_advised_to_be_longer(cgkit: Callable[..., Result], tiny_spec: Path) -> None:
    advice = " ".join(cgkit("check", tiny_spec, "--json").json["verdict"]["changes"])
    setting = re.search(r"results need about 20,000: --set (train.steps=\d+)", advice)
    assert setting is not None
    longer = cgkit("check", tiny_spec, "--set", setting[1], "--json").json
    assert "results need" not in " ".join(longer["verdict"]["changes"])
