"""A step recorded as a CUDA graph computes what the same step computes without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cgkit.abilities import features_of
from cgkit.contracts import Given, Need
from cgkit.data.loading import Batch
from cgkit.engine.assembly import assemble
from cgkit.engine.gpu.arithmetic import arithmetic
from cgkit.engine.precision import Precision
from cgkit.engine.trainer import Trainer
from cgkit.errors import DivergedError
from cgkit.plugins import Plugins, load_plugins
from cgkit.spec import resolve_spec

pytestmark = pytest.mark.gpu

GPU = torch.device("cuda")
Tables = dict[str, Any]

SPECS: dict[str, Tables] = {
    "as published": {},
    "U-Net with dropout": {"generator": {"name": "unet", "width": 8, "depth": 4, "dropout": 0.5}},
    "batch norm": {"generator": {"name": "resnet", "width": 8, "blocks": 1, "norm": "batch"}},
    "affine norm, BCE": {
        "generator": {"name": "resnet", "width": 8, "blocks": 1, "affine": True},
        "adversarial_loss": {"name": "bce"},
    },
    "spectral norm, hinge": {
        "discriminator": {"name": "patch", "width": 8, "layers": 2, "spectral_norm": True},
        "adversarial_loss": {"name": "hinge"},
    },
    "multiscale": {"discriminator": {"name": "multiscale", "width": 8, "layers": 1, "scales": 2}},
    "augmented": {"augmentation": [{"name": "diff-augment"}]},
    "one-sided": {"objective": {"adversarial": {"a2b": 1, "b2a": 0}, "cycle": {"forward": 10, "backward": 0}}},
    "accumulated": {"train": {"accumulate": 2}},
    "averaged, clipped": {"train": {"ema": 0.9, "clip_gradients": 0.5}},
    "one cycle at a time": {"train": {"memory": "balanced"}},
    "own optimisers, warm-up": {
        "optimizer": {"name": "adamw", "weight_decay": 0.1, "discriminators": {"name": "adam", "betas": [0.0, 0.9]}},
        "schedule": {"name": "warm-up", "steps": 4},
    },
    "a term with drawn places, a trained head and masks": {
        "term": [{"name": "sampled", "weight": {"a2b": 2, "b2a": 1}}],
        "train": {"accumulate": 2},
    },
    "a term, one cycle at a time": {"term": [{"name": "sampled"}], "train": {"memory": "balanced"}},
}


class Sampled(nn.Module):
    """Compares features of source and translation outside a mask, through a trained head, at places drawn at random."""

    needs: tuple[Need, ...] = ("translation", "mask")
    trained = True

    def prepare(self, generator: nn.Module, example: Tensor) -> None:
        features = features_of(generator)
        assert features is not None
        self.head = nn.Linear(features(example)[1].shape[1], 4)

    def forward(self, given: Given) -> Tensor:
        assert given.translation is not None
        features = features_of(given.generator)
        assert features is not None
        of_source, of_translation = (features(image)[1].flatten(2) for image in (given.source, given.translation))
        places = torch.rand(of_source.shape[-1], device=of_source.device).topk(16).indices
        first, second = (self.head(all_[..., places].transpose(1, 2)) for all_ in (of_source.detach(), of_translation))
        changed = (given.translation - given.source).abs() * (1 - given.extras["mask"])
        return (first - second).abs().mean() + (changed.mean((1, 2, 3)) * given.present["mask"]).sum()


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    plugins = load_plugins(installed=False)
    plugins.registries.terms.add("sampled", Sampled)
    return plugins


@contextmanager
def trainer_on_gpu(tables: Tables, precision: str, plugins: Plugins) -> Iterator[Trainer]:
    values = {
        "data": {"source": "seasons", "size": 64},
        "generator": {"name": "resnet", "width": 8, "blocks": 2},
        "discriminator": {"name": "patch", "width": 8, "layers": 2},
        "augmentation": [],
        **tables,
        "train": {"image_pool": 3, "steps": 100, "batch": 2, **tables.get("train", {})},
    }
    spec = resolve_spec(values, plugins)
    built = assemble(spec, plugins)
    place = Precision(precision, GPU)
    with arithmetic(place, deterministic=True):
        yield Trainer(
            built,
            spec,
            steps=100,
            epoch_steps=50,
            precision=place,
        )


def batches(step: int, tables: Tables) -> list[Batch]:
    draws = torch.Generator().manual_seed(step)
    count = tables.get("train", {}).get("accumulate", 1)
    images = [torch.rand(2, 2, 3, 64, 64, generator=draws) * 2 - 1 for _ in range(count)]
    extras = {}
    if "term" in tables:
        extras = {f"{domain}.mask": torch.rand(2, 1, 64, 64, generator=draws).round() for domain in "ab"}
        extras |= {f"{domain}.mask.present": torch.tensor([1.0, step % 2]) for domain in "ab"}
    return [Batch(a, b, ("a", "a"), ("b", "b"), extras) for a, b in images]


def train(trainer: Trainer, tables: Tables, first: int = 0, last: int = 6) -> list[dict[str, float]]:
    history = []
    for step in range(first, last):
        history.append(trainer.step(batches(step, tables)))
    trainer.settle()
    return [{name: float(loss) for name, loss in losses.items()} for losses in history]


def copies(trainer: Trainer) -> dict[str, dict[str, torch.Tensor]]:
    return {kind: {key: value.cpu().clone() for key, value in own.items()} for kind, own in trainer.tensors().items()}


@pytest.mark.parametrize("precision", ["fp64", "fp32", "bf16"])
@pytest.mark.parametrize("name", SPECS)
def test_a_graph_changes_no_number(name: str, precision: str, plugins: Plugins) -> None:
    tables = SPECS[name]
    with trainer_on_gpu(tables, precision, plugins) as eager, trainer_on_gpu(tables, precision, plugins) as recorded:
        assert recorded.record(batches(0, tables)) is None
        expected, found = train(eager, tables), train(recorded, tables)
        for before, after in zip(expected, found, strict=True):
            assert after == (pytest.approx(before, rel=1e-12) if precision == "fp64" else before)
        for kind, tensors in eager.tensors().items():
            for key, tensor in tensors.items():
                torch.testing.assert_close(recorded.tensors()[kind][key], tensor, rtol=0, atol=0)
        assert recorded.state()["ema_updates"] == eager.state()["ema_updates"]


def test_a_recorded_run_continues_bit_for_bit(plugins: Plugins) -> None:
    tables = {"train": {"ema": 0.9}}
    with (
        trainer_on_gpu(tables, "bf16", plugins) as whole,
        trainer_on_gpu(tables, "bf16", plugins) as first,
        trainer_on_gpu(tables, "bf16", plugins) as second,
    ):
        for trainer in (whole, first):
            assert trainer.record(batches(0, tables)) is None
        expected = train(whole, tables, 0, 8)
        train(first, tables, 0, 4)
        second.load(4, copies(first), first.state())
        assert second.record(batches(0, tables)) is None
        assert train(second, tables, 4, 8) == expected[4:]


def test_compiled_networks_are_recorded(plugins: Plugins) -> None:
    with trainer_on_gpu({}, "fp32", plugins) as eager, trainer_on_gpu({}, "fp32", plugins) as recorded:
        for trainer in (eager, recorded):
            trainer.compile(trainer.model.networks(), batches(0, {}))
        assert recorded.record(batches(0, {})) is None
        expected, found = train(eager, {}, 0, 3), train(recorded, {}, 0, 3)
        for before, after in zip(expected, found, strict=True):
            assert after == pytest.approx(before, rel=1e-5)


def test_a_step_that_is_not_finite_is_undone(plugins: Plugins) -> None:
    with trainer_on_gpu({}, "fp32", plugins) as trainer:
        assert trainer.record(batches(0, {})) is None
        train(trainer, {}, 0, 3)
        before = copies(trainer)
        (bad,) = batches(3, {})
        bad.real_a[0, 0, 0, 0] = torch.nan
        trainer.step([bad])
        with pytest.raises(DivergedError, match="not finite at step 4"):
            trainer.step(batches(4, {}))
        assert trainer.step_number == 3
        for kind, own in trainer.tensors().items():
            for key, value in own.items():
                assert torch.equal(value.cpu(), before[kind][key]), f"{kind}.{key}"


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"adversarial_loss": {"name": "wasserstein"}}, "differentiated twice"),
        ({"train": {"memory": "low"}}, "memory"),
        ({"train": {"discriminator_steps": 2}}, "do not learn in every step"),
    ],
)
def test_a_step_that_cannot_be_recorded_says_why_and_trains(tables: Tables, reason: str, plugins: Plugins) -> None:
    with trainer_on_gpu(tables, "bf16", plugins) as trainer:
        assert reason in str(trainer.record(batches(0, tables)))
        assert train(trainer, tables, 0, 2)
