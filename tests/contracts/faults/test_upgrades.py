"""A later version of a plugin continues runs and reads models of an earlier one, as far as it says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.contracts.faults.conftest import LINEAR, Site, lines_with

Command = Callable[..., Result]

WITH_A_NEW_OPTION = LINEAR.replace("bias: bool = True)", "bias: bool = True, scale: float = 1.0)").replace(
    "bias: add a constant to each channel.",
    "bias: add a constant to each channel.\n            scale: has no effect.",
)
RENAMED = (
    LINEAR.replace("bias: bool = True)", "constant: bool = True)")
    .replace("bias: add", "constant: add")
    .replace("bias=bias", "bias=constant")
    .replace("    @cgkit.hookimpl", '    linear.former_options = {"bias": "constant"}\n\n\n    @cgkit.hookimpl')
)
CONTINUED = ("--set", "train.steps=3")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def trained(site: Site, forked: Command, spec: Callable[..., Path], run: Path) -> Path:
    """Train with version 1.2 of a plugin; return the spec, which sets an option."""
    site.install("cgkit-linear", LINEAR, version="1.2")
    file = spec("linear")
    file.write_text(file.read_text().replace('name = "linear"', 'name = "linear"\nbias = false'))
    finished = forked("run", file, "--output", run)
    assert finished.code == 0, finished.err
    return file


def test_a_new_option_at_its_default_stops_neither_a_resume_nor_a_translation(
    site: Site, forked: Command, trained: Path, run: Path, tmp_path: Path
) -> None:
    site.install("cgkit-linear", WITH_A_NEW_OPTION, version="1.3")
    resumed = forked("run", trained, "--output", run, *CONTINUED)
    assert resumed.code == 0, resumed.err
    translated = forked("translate", run, run / "samples", "--output", tmp_path / "out")
    assert translated.code == 0, translated.err


def test_a_new_option_that_is_set_is_a_change(site: Site, forked: Command, trained: Path, run: Path) -> None:
    site.install("cgkit-linear", WITH_A_NEW_OPTION, version="1.3")
    refused = forked("run", trained, "--output", run, *CONTINUED, "--set", "generator.scale=2.0")
    assert refused.code == 2
    assert "generator.a2b.scale: was 1.0 when" in refused.err


def test_a_former_option_name_works_with_a_warning(
    site: Site, forked: Command, trained: Path, run: Path, tmp_path: Path
) -> None:
    site.install("cgkit-linear", RENAMED, version="1.3")
    resumed = forked("run", trained, "--output", run, *CONTINUED)
    assert resumed.code == 0, resumed.err
    assert 'generator "linear" of cgkit-linear: the option bias is now called constant' in resumed.err
    trained.write_text(trained.read_text().replace("bias = false", "constant = false"))
    again = forked("run", trained, "--output", run, "--set", "train.steps=4")
    assert again.code == 0, again.err
    assert "is now called" not in again.err
    translated = forked("translate", run, run / "samples", "--output", tmp_path / "out")
    assert translated.code == 0, translated.err


def test_a_model_of_another_version_says_which_and_that_it_may_differ(
    site: Site, forked: Command, trained: Path, run: Path, tmp_path: Path
) -> None:
    site.install("cgkit-linear", LINEAR, version="1.5")
    translated = forked("translate", run, run / "samples", "--output", tmp_path / "out")
    assert translated.code == 0, translated.err
    (warning,) = lines_with(translated.err, "was made with")
    assert "cgkit-linear 1.2 (now 1.5), so it may translate differently" in warning


def test_another_series_reads_what_it_says_it_reads(
    site: Site, forked: Command, trained: Path, run: Path, tmp_path: Path
) -> None:
    translate = ("translate", run, run / "samples", "--output", tmp_path / "out")
    site.install("cgkit-linear", LINEAR, version="2.0")
    assert forked(*translate).code == 4
    site.install("cgkit-linear", LINEAR + '\n    cgkit_reads_since = "1.3"\n', version="2.0")
    assert forked(*translate).code == 4
    site.install("cgkit-linear", LINEAR + '\n    cgkit_reads_since = "1.2"\n', version="2.0")
    assert forked(*translate).code == 0
    resumed = forked("run", trained, "--output", run, *CONTINUED)
    assert resumed.code == 0, resumed.err


def test_a_deprecated_component_works_with_a_warning_and_says_so_in_listings(
    site: Site, forked: Command, started: Command, spec: Callable[..., Path], run: Path
) -> None:
    source = LINEAR.replace('add("linear", linear)', 'add("linear", linear, deprecated=\'use "resnet"\')')
    site.install("cgkit-linear", source)
    assert '(deprecated: use "resnet") Mix the channels' in started("list-components", COLUMNS="200").out
    finished = forked("run", spec("linear"), "--output", run)
    assert finished.code == 0, finished.err
    assert 'generator "linear" of cgkit-linear is deprecated: use "resnet"' in finished.err


def test_moved_keys_of_cgkit_itself_work_with_a_warning(forked: Command, spec: Callable[..., Path], run: Path) -> None:
    file = spec()
    file.write_text(file.read_text().replace("[train]", "[train]\nbetas = [0.4, 0.9]"))
    finished = forked("run", file, "--output", run)
    assert finished.code == 0, finished.err
    assert "train.betas is now optimizer.betas" in finished.err
    file.write_text(file.read_text().replace("\nbetas = [0.4, 0.9]", "") + "\n[optimizer]\nbetas = [0.4, 0.9]\n")
    resumed = forked("run", file, "--output", run, *CONTINUED)
    assert resumed.code == 0, resumed.err
    assert "betas" not in resumed.err
