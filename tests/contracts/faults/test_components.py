"""A component that breaks its contract is reported with its package before training, or disabled during the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.contracts.faults.conftest import Site, lines_with

Command = Callable[..., Result]

GENERATOR = """
    import cgkit


    def wrong(in_channels: int, out_channels: int):
        import torch

        class Wrong(torch.nn.Module):
            def forward(self, images):
                {body}

        return Wrong()


    @cgkit.hookimpl
    def cgkit_register(registries):
        registries.generators.add("wrong", wrong)
"""

LOSS = """
    import cgkit


    class Wrong:
        def __call__(self, reconstruction, target):
            {body}


    @cgkit.hookimpl
    def cgkit_register(registries):
        registries.reconstruction_losses.add("wrong", Wrong)
"""

BUILDER = """
    import cgkit


    def wrong(in_channels: int, out_channels: int):
        {body}


    @cgkit.hookimpl
    def cgkit_register(registries):
        registries.generators.add("wrong", wrong)
"""

TRACKER = """
    import cgkit


    class Wrong:
        def __init__(self, folder):
            pass

        def record(self, step, values):
            {body}

        def rewind(self, step):
            pass

        def close(self):
            pass


    @cgkit.hookimpl
    def cgkit_register(registries):
        registries.trackers.add("wrong", Wrong)
"""

FAULTS = {
    "returns another shape": (
        GENERATOR,
        "return images[..., ::2, ::2]",
        "generator.name",
        "returns shape (1, 3, 8, 8)",
    ),
    "returns NaN": (GENERATOR, "return images * float('nan')", "generator.name", "not finite"),
    "returns nothing": (GENERATOR, "return None", "generator.name", "returns NoneType instead of a tensor"),
    "returns a vector as a loss": (
        LOSS,
        "return (reconstruction - target).abs().mean(dim=(1, 2, 3)).repeat(2)",
        "cycle_loss.name",
        "expected a scalar",
    ),
    "cannot be built": (BUILDER, "raise KeyError('weights')", "generator.name", "KeyError: 'weights'"),
    "needs a missing package when it is built": (
        BUILDER,
        "import timm_of_nobody",
        "generator.name",
        "No module named 'timm_of_nobody'",
    ),
    "ends the interpreter when it is built": (BUILDER, "raise SystemExit(0)", "generator.name", "SystemExit"),
}


@pytest.mark.parametrize(("source", "body", "path", "reason"), FAULTS.values(), ids=FAULTS.keys())
def test_nothing_is_written_if_a_plugins_component(
    site: Site,
    forked: Command,
    spec: Callable[..., Path],
    tmp_path: Path,
    source: str,
    body: str,
    path: str,
    reason: str,
) -> None:
    site.install("cgkit-bad", source.format(body=body))
    file = spec("wrong") if path == "generator.name" else spec(more='[cycle_loss]\nname = "wrong"\n')
    refused = forked("run", file, "--output", tmp_path / "run")
    assert refused.code == 4, refused.err
    errors = lines_with(refused.err, "error:")
    assert errors
    for error in errors:
        assert "cgkit-bad" in error
        assert reason in error
    assert "Traceback" not in refused.err
    assert not (tmp_path / "run").exists()
    assert forked("run", spec(), "--output", tmp_path / "run").code == 0


def test_a_component_whose_module_is_missing_is_listed_but_cannot_be_used(
    site: Site, started: Command, forked: Command, spec: Callable[..., Path], tmp_path: Path
) -> None:
    source = """
        import cgkit

        @cgkit.hookimpl
        def cgkit_register(registries):
            registries.generators.add("wrong", "cgkit_bad_networks:Wrong", summary="Where is it?")
    """
    site.install("cgkit-bad", source)
    listed = started("list-components", "--json")
    assert (listed.code, listed.err) == (0, "")
    assert "Where is it?" in listed.out
    refused = forked("run", spec("wrong"), "--output", tmp_path / "run")
    assert refused.code == 4
    for error in lines_with(refused.err, "error:"):
        assert "cgkit-bad" in error
        assert "No module named 'cgkit_bad_networks'" in error


@pytest.mark.parametrize("hook", ["cgkit_run_started", "cgkit_step_finished", "cgkit_checkpoint_saved"])
@pytest.mark.parametrize("act", ["raise RuntimeError('wires crossed')", "raise SystemExit(3)"])
def test_a_plugin_that_fails_in_a_run_hook_is_disabled_with_one_warning_and_the_run_continues(
    site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path, hook: str, act: str
) -> None:
    calls = tmp_path / "calls"
    source = f"import cgkit\n@cgkit.hookimpl\ndef {hook}(run):\n    open({str(calls)!r}, 'a').write('x')\n    {act}"
    site.install("cgkit-bad", source)
    trained = forked("run", spec(), "--output", tmp_path / "run")
    assert trained.code == 0, trained.err
    (warning,) = lines_with(trained.err, "cgkit-bad")
    assert hook in warning
    assert "not called again" in warning
    assert calls.read_text() == "x"


def test_a_tracker_that_fails_is_disabled_and_the_others_keep_recording(
    site: Site, forked: Command, spec: Callable[..., Path], tmp_path: Path
) -> None:
    site.install("cgkit-bad", TRACKER.format(body="raise OSError('no connection')"))
    trained = forked("run", spec(more='[[tracker]]\nname = "wrong"\n[log]\nevery = 1\n'), "--output", tmp_path / "run")
    assert trained.code == 0, trained.err
    assert len(lines_with(trained.err, "no connection")) == 1
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) >= 2
