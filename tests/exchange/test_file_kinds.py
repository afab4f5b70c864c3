"""Files that are no weights are named for what they are, with what to do instead."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cgkit.errors import CheckpointError
from cgkit.exchange.foreign_files import read_foreign
from tests.conftest import Result

Cli = Callable[..., Result]


def script(file: Path) -> None:
    torch.jit.trace(nn.Conv2d(1, 1, 1), torch.ones(1, 1, 1, 1)).save(file)


def program(file: Path) -> None:
    torch.export.save(torch.export.export(nn.Conv2d(1, 1, 1), (torch.ones(1, 1, 1, 1),)), file)


def archive(**parts: bytes) -> Callable[[Path], None]:
    def make(file: Path) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, content in parts.items():
                opened.writestr(name.replace("_dot_", "."), content)

    return make


def start(content: bytes) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(content)  # type: ignore[return-value]


KINDS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "empty": (start(b""), "it is empty", "download"),
    "lfs": (start(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"), "git-lfs", "git lfs pull"),
    "page": (start(b"\n<!DOCTYPE html><html><title>Virus scan</title>"), "a web page", "download"),
    "text": (start(b'{"error": "Repository not found"}'), "Repository not found", "download"),
    "hdf5": (start(b"\x89HDF\r\n\x1a\n" + bytes(90)), "HDF5", "PyTorch"),
    "lite": (start(b"\x1c\0\0\0TFL3" + bytes(90)), "TensorFlow Lite", "PyTorch"),
    "onnx": (start(b"\x08\x0a\x12\x07pytorch\x1a\x052.9.0:" + bytes(90)), "an ONNX file", "exported from"),
    "gzip": (start(b"\x1f\x8b\x08" + bytes(90)), "compressed", "unpack"),
    "picture": (start(b"\x89PNG\r\n\x1a\n" + bytes(90)), "a picture", "weights"),
    "array": (lambda file: np.save(file.open("wb"), np.zeros(3)), "a NumPy array", "PyTorch"),
    "arrays": (lambda file: np.savez(file.open("wb"), x=np.zeros(3)), "NumPy arrays", "PyTorch"),
    "keras": (archive(config_dot_json=b"{}", model_dot_weights_dot_h5=b"x" * 99), "a Keras model", "PyTorch"),
    "zip": (archive(read_dot_me=b"x" * 999, net_dot_pth=b"y"), "a zip archive of net.pth", "unpack"),
    "script": (script, "a TorchScript program", "torch.jit.load(FILE).state_dict()"),
    "program": (program, "a program of torch.export", "torch.export.load(FILE).state_dict"),
    "module": (lambda file: torch.save(nn.Linear(1, 1), file), "it needs torch.nn", "state_dict()"),
    "arguments": (
        lambda file: torch.save({"w": torch.ones(1), "a": argparse.Namespace()}, file),
        "it needs argparse.Namespace",
        "state_dict()",
    ),
    "pickle": (
        lambda file: file.write_bytes(pickle.dumps({"w": os.getcwd})),
        "it is damaged, or needs more",
        "state_dict()",
    ),
    "noise": (start(bytes(range(128, 256)) * 9), "damaged", ""),
}


@pytest.mark.filterwarnings("ignore:.torch.jit", "ignore:.*unclosed file:ResourceWarning")
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_file_that_is_no_weights_is_named_with_what_to_do(cgkit: Cli, tmp_path: Path, kind: str, suffix: str) -> None:
    make, name, remedy = KINDS[kind]
    file = tmp_path / f"weights{suffix}"
    make(tmp_path / "made")
    (tmp_path / "made").rename(file)
    result = cgkit("import", file, "--output", tmp_path / "model")
    assert result.code == 5
    assert name in result.err
    assert remedy in result.err
    assert "weights_only" not in result.err
    assert "Traceback" not in result.err
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("suffix", [".onnx", ".pb", ".t7", ".index"])
def test_a_suffix_names_what_the_content_does_not(cgkit: Cli, tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"net{suffix}").write_bytes(b"\x0a\x99" * 40)
    result = cgkit("import", tmp_path / f"net{suffix}", "--output", tmp_path / "model")
    assert result.code == 5
    assert "is no file of weights" in result.err


def test_weights_are_read_whatever_the_suffix_says(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "net.index")
    assert torch.equal(read_foreign(tmp_path / "net.index")["w"], torch.ones(2))


@given(content=st.binary(max_size=600))
def test_any_bytes_are_refused_without_torchs_advice(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    from cgkit.exchange.file_kinds import is_safetensors, mistaken_for_weights

    file = tmp_path_factory.mktemp("any") / "weights.pth"
    file.write_bytes(content)
    kind = mistaken_for_weights(file)
    assert kind is None or "\n" not in kind
    if kind is not None or is_safetensors(file):
        with pytest.raises(CheckpointError):
            read_foreign(file)
