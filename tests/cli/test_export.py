from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cgkit.runs.start import run
from tests.conftest import TINY, Result

Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", overrides=["train.ema=0.5"], output=folder / "run").folder


def test_the_chosen_weights_are_written_and_the_largest_difference_is_printed(
    cgkit: Cli, trained: Path, tmp_path: Path
) -> None:
    file = tmp_path / "net.pth"
    arguments = ("--format", "published", "--weights", "raw", "--direction", "b2a")
    result = cgkit("export", trained, *arguments, "--output", file, "--json")
    assert result.code == 0
    assert result.json["largest_difference"] == 0
    assert [1, 3, 16, 16] in result.json["compared_on"]
    written = torch.load(file, weights_only=True)
    raw = load_file(trained / "model" / "raw.safetensors")
    assert torch.equal(written["model.1.weight"], raw["b2a.layers.1.weight"])
    assert not written["model.1.bias"].any()


def test_a_folder_without_a_model_is_rejected(cgkit: Cli, tmp_path: Path) -> None:
    result = cgkit("export", tmp_path, "--format", "onnx", "--output", tmp_path / "model.onnx")
    assert result.code == 5
    assert "holds no model" in result.err


ANY_WEIGHTS = """
import cgkit
import torch

class Weights:
    '''The weights alone.

    Args:
        half: whether to write half precision.
    '''

    suffix = ".pt"

    def __init__(self, *, half: bool = False) -> None:
        self.half = half

    def export(self, network, example, file):
        weights = network.state_dict().items()
        torch.save({name: tensor.half() if self.half else tensor for name, tensor in weights}, file)

@cgkit.hookimpl
def cgkit_register(registries):
    registries.exporters.add("weights", Weights)
"""


def test_an_exporter_of_a_plugin_is_listed_described_and_used(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.py").write_text(ANY_WEIGHTS)
    plugin = ("--plugin", tmp_path / "weights.py")
    listed = cgkit("list-components", "--kind", "exporter", *plugin).out
    assert all(name in listed for name in ("onnx", "published", "torch-export", "weights"))
    described = cgkit("describe", "exporter", "weights", *plugin).out
    assert "half: bool, default false" in described
    assert "cgkit export RUN --format weights --output FILE.pt --option half=false" in described
    file = tmp_path / "w.pt"
    result = cgkit("export", trained, "--format", "weights", "--option", "half=true", "--output", file, *plugin)
    assert result.code == 0
    assert "not compared" in result.err
    assert {tensor.dtype for tensor in torch.load(file, weights_only=True).values()} == {torch.float16}


WHOLE = """
import json
import cgkit
import torch

class Facts:
    '''What is known about the model.'''

    suffix = ".json"
    limit = 1e-3

    def export(self, network, example, file):
        self.network = network
        file.write_text("")

    def load(self, file):
        return lambda images: self.network(images) + 5e-4

    def assemble(self, directions, facts, file):
        samples = [(s.direction, s.caption, s.image[1:4].decode(), s.translation != s.image) for s in facts.samples]
        ways = [(d.direction, d.names, d.size, d.trained_scale) for d in directions]
        file.write_text(json.dumps([facts.name, facts.card, facts.scores, samples, ways]))

@cgkit.hookimpl
def cgkit_register(registries):
    registries.exporters.add("facts", Facts)
"""


def test_an_exporter_of_whole_models_gets_the_card_the_scores_and_the_samples(
    cgkit: Cli, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "facts.py").write_text(WHOLE)
    arguments = ("--format", "facts", "--plugin", tmp_path / "facts.py")
    result = cgkit("export", trained, *arguments, "--output", tmp_path / "all.json", "--json")
    assert result.json["largest_difference"] == pytest.approx(5e-4, rel=1e-2)
    name, card, scores, samples, ways = json.loads((tmp_path / "all.json").read_text())
    assert card.startswith(f"# {name}\n")
    assert "## Scores" not in card
    assert scores[0][:2] == ["direction", "metric"]
    assert {row[0] for row in scores[1:]} == {"summer to winter", "winter to summer"}
    assert [sample[0] for sample in samples] == ["a2b", "a2b", "b2a", "b2a"]
    assert all(sample[2:] == ["PNG", True] for sample in samples)
    assert ways[0] == ["a2b", ["summer", "winter"], [16, 16], [1.125, 1.125]]
    cgkit("export", trained, *arguments, "--output", tmp_path / "one.json", "--direction", "b2a", "--weights", "raw")
    _, _, scores, samples, ways = json.loads((tmp_path / "one.json").read_text())
    assert scores == [], "the scores are those of the moving average"
    assert {sample[0] for sample in samples} == {way[0] for way in ways} == {"b2a"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "onyx"), 'did you mean "onnx"'),
        (("--format", "published", "--option", "half"), "write it as NAME=VALUE"),
        (("--format", "published", "--option", "half=1"), "published.half: unknown key"),
    ],
)
def test_a_wrong_format_or_option_is_explained(
    cgkit: Cli, trained: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = cgkit("export", trained, *arguments, "--output", tmp_path / "file")
    assert result.code == 2
    assert message in result.err
    assert list(tmp_path.iterdir()) == []
