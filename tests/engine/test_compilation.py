"""Compiled networks give the same numbers and the same state; without a compiler, a run trains eagerly."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cgkit.checkpoints import list_checkpoints
from cgkit.display.reporter import Silence
from cgkit.engine.compilation import REPAID_AFTER, repays
from cgkit.runs.start import run


class Listener(Silence):
    """Remembers a run's messages and warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)

    def warning(self, text: str, traceback: str = "") -> None:
        self.lines.append(f"warning: {text}")


def final(folder: Path) -> dict[str, torch.Tensor]:
    newest = list_checkpoints(folder / "checkpoints")[-1]
    files = sorted(newest.glob("*.safetensors"))
    return {f"{file.stem}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


def test_a_compiled_bf16_run_resumes_bit_for_bit(tiny_spec: Path, tmp_path: Path) -> None:
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    settings = ["train.compile=true", "train.precision=bf16", "schedule.name=constant", "objective.identity=0"]
    listener = Listener()
    run(tiny_spec, output=straight, overrides=settings, reporter=listener)
    assert [text.split()[0] for text in listener.lines[:2]] == ["compiling", "compiled"]
    run(tiny_spec, output=stopped, overrides=[*settings, "train.steps=2"])
    torch.compiler.reset()  # as in a process that starts from scratch
    run(tiny_spec, output=stopped, overrides=settings)
    one, other = final(straight), final(stopped)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_run_without_a_compiler_warns_and_trains_uncompiled(
    tiny_spec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cgkit_process: Callable[..., subprocess.Popen[str]],
    cgkit: Callable[..., Any],
) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("CXX", str(tmp_path / "none"))
        changed.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
        process = cgkit_process("run", tiny_spec, "--output", tmp_path / "compiled", "--set", "train.compile=true")
        _, output = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert output.count("the networks could not be compiled, so training is slower") == 1
    assert "Traceback" not in output
    assert cgkit("run", tiny_spec, "--output", tmp_path / "eager", "--set", "train.compile=false").code == 0
    one, other = final(tmp_path / "eager"), final(tmp_path / "compiled")
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_compiled_run_may_be_resumed_uncompiled(tiny_spec: Path, tmp_path: Path) -> None:
    run(tiny_spec, output=tmp_path, overrides=["train.compile=false", "train.steps=2"])
    assert run(tiny_spec, output=tmp_path, overrides=["train.compile=auto"]).step == 4


def test_auto_compiles_long_runs_on_a_gpu() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert repays("auto", REPAID_AFTER, gpu)
    assert not repays("auto", REPAID_AFTER - 1, gpu)
    assert not repays("auto", 10 * REPAID_AFTER, cpu)
    assert repays(True, 1, cpu)
    assert not repays(False, 10 * REPAID_AFTER, gpu)
