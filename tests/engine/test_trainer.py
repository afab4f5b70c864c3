from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cgkit.data.loading import Batch
from cgkit.engine.assembly import assemble
from cgkit.engine.precision import Precision
from cgkit.engine.trainer import Trainer
from cgkit.errors import CheckpointError, DivergedError
from cgkit.plugins import Plugins
from cgkit.spec import resolve_spec

Make = Callable[..., Trainer]


@pytest.fixture
def make_trainer(plugins: Plugins) -> Make:
    def make(precision: str = "fp64", tables: dict[str, Any] | None = None, **train: Any) -> Trainer:
        values = {
            "data": {"source": "seasons", "size": 16},
            "generator": {"name": "resnet", "width": 4, "blocks": 1},
            "discriminator": {"name": "patch", "width": 4, "layers": 1},
            "schedule": {"name": "constant"},
            "train": {"image_pool": 0, **train},
            **(tables or {}),
        }
        spec = resolve_spec(values, plugins)
        assembly = assemble(spec, plugins)
        return Trainer(
            assembly,
            spec,
            steps=100,
            epoch_steps=10,
            precision=Precision(precision, torch.device("cpu")),
        )

    return make


def batch(seed: int, count: int = 2) -> Batch:
    draws = torch.Generator().manual_seed(seed)
    real_a, real_b = torch.rand(2, count, 3, 16, 16, generator=draws, dtype=torch.float64) * 2 - 1
    return Batch(real_a, real_b, ("a",) * count, ("b",) * count)


def parameters(trainer: Trainer) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in trainer.model.parameters()]


def halves(whole: Batch) -> list[Batch]:
    return [Batch(whole.real_a[i : i + 1], whole.real_b[i : i + 1], ("a",), ("b",)) for i in range(2)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_restored_state_trains_on_bit_for_bit_in_channels_last(
    make_trainer: Make, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr("cgkit.engine.precision.CHANNELS_LAST_FROM", 0)
    first, second = make_trainer(precision, image_pool=2), make_trainer(precision, image_pool=2)
    for number in range(3):
        first.step([batch(number)])
    saved = {name: {k: t.clone().contiguous() for k, t in file.items()} for name, file in first.tensors().items()}
    second.load(3, saved, first.state())
    for number in range(3, 6):
        first.step([batch(number)])
        second.step([batch(number)])
    assert all(torch.equal(*pair) for pair in zip(parameters(first), parameters(second), strict=True))


def test_accumulated_gradients_equal_those_of_one_larger_batch(make_trainer: Make) -> None:
    whole, parts = make_trainer(), make_trainer()
    losses = whole.step([batch(1)])
    accumulated = parts.step(halves(batch(1)))
    for name, loss in losses.items():
        assert float(accumulated[name]) == pytest.approx(float(loss), rel=1e-12)
    for one, other in zip(parameters(whole), parameters(parts), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"generator": {"name": "resnet", "width": 4, "blocks": 1, "norm": "batch"}},
        {"objective": {"cycle": {"forward": 10, "backward": 0}, "adversarial": {"a2b": 1, "b2a": 0}, "identity": 0}},
        {"objective": {"adversarial": 0}},
    ],
)
@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_saving_memory_changes_no_number(make_trainer: Make, tables: dict[str, Any], memory: str) -> None:
    fast, low = make_trainer(tables=tables), make_trainer(tables=tables, memory=memory)
    for seed in (1, 2):
        losses, spared = fast.step([batch(seed)]), low.step([batch(seed)])
        assert {name: float(loss) for name, loss in spared.items()} == pytest.approx(
            {name: float(loss) for name, loss in losses.items()}, rel=1e-9
        )
    for one, other in zip(parameters(fast), parameters(low), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-11)


def test_saving_memory_stores_fewer_activations(make_trainer: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def most_kept(memory: str) -> int:
        """Return the peak number of bytes stored for a backward pass."""
        kept: dict[int, int] = {}
        most = 0

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal most
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            most = max(most, sum(kept.values()))
            return tensor

        trainer = make_trainer(memory=memory, tables={"objective": {"adversarial": 0}})
        backward = torch.autograd.backward

        def forgetting(*arguments: Any, **named: Any) -> None:
            backward(*arguments, **named)
            kept.clear()

        torch.autograd.backward = forgetting
        try:
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                trainer.step([batch(1)])
        finally:
            torch.autograd.backward = backward
        return most

    assert most_kept("balanced") < 0.7 * most_kept("fast")
    assert most_kept("low") < 0.7 * most_kept("balanced")
    assert most_kept("auto") == most_kept("fast")
    monkeypatch.setattr("cgkit.engine.memory.BALANCED_FROM", 2 * 16 * 16)
    assert most_kept("auto") == most_kept("balanced")


def test_generators_train_jointly_and_discriminators_on_images_from_before_the_update(make_trainer: Make) -> None:
    trainer = make_trainer()
    before = copy.deepcopy(trainer.model)
    trainer.step([batch(1)])
    # The step by hand, in the published order.
    adam = {"lr": 2e-4, "betas": (0.5, 0.999)}
    generators = torch.optim.Adam(before.generators.parameters(), **adam)
    discriminators = torch.optim.Adam(before.discriminators.parameters(), **adam)
    images = batch(1)
    cycle = before(images.real_a, images.real_b)
    losses = trainer.objective.generators(before, cycle, {})
    sum(losses.values()).backward()
    discriminators.zero_grad()
    generators.step()
    detached = cycle.detach()
    losses = trainer.objective.discriminators(before, detached, trainer.objective.fakes(detached))
    sum(losses.values()).backward()
    discriminators.step()
    for ours, by_hand in zip(trainer.model.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(ours, by_hand, rtol=1e-9, atol=1e-12)


def test_gradients_are_clipped_to_the_limit(make_trainer: Make) -> None:
    lengths: list[float] = []
    trainer = make_trainer(clip_gradients=0.001)
    optimizer = trainer.optimizers.generators
    step = optimizer.step

    def measured() -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        lengths.append(float(torch.nn.utils.get_total_norm(gradients)))
        step()

    optimizer.step = measured  # type: ignore[method-assign]
    trainer.step([batch(1)])
    assert lengths == [pytest.approx(0.001, rel=1e-3)]


REMEMBERS = {
    "generator": {"name": "resnet", "width": 4, "blocks": 1, "norm": "batch"},
    "discriminator": {"name": "patch", "width": 4, "layers": 1, "spectral_norm": True},
    "augmentation": [{"name": "diff-augment"}],
}


def poisoned(seed: int) -> Batch:
    images = batch(seed)
    images.real_a[0, 0, 0, 0] = float("nan")
    return Batch(images.real_a, images.real_b, ("spoilt",) * 2, ("sound",) * 2)


def everything(trainer: Trainer) -> dict[str, torch.Tensor]:
    files = trainer.tensors()
    return {f"{file}: {name}": tensor for file, tensors in files.items() for name, tensor in tensors.items()}


def alike(one: Trainer, other: Trainer) -> bool:
    first, second = everything(one), everything(other)
    return first.keys() == second.keys() and all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_step_that_is_not_finite_changes_nothing(make_trainer: Make, after: int) -> None:
    trainer, spared = (make_trainer(ema=0.9, image_pool=3) for _ in range(2))
    for number in range(after):
        trainer.step([batch(number)])
        spared.step([batch(number)])
    trainer.step([poisoned(9)])
    with pytest.raises(DivergedError, match=rf"not finite at step {after + 1}: .*cycle_forward = nan.*spoilt"):
        trainer.settle()
    assert trainer.step_number == after
    assert trainer.is_whole
    # The learning rate is set before a step, and the first step creates the optimizers' moments.
    if after:
        assert alike(trainer, spared)
    for number in (20, 21):
        trainer.step([batch(number)])
        spared.step([batch(number)])
    assert alike(trainer, spared)
    assert trainer.state() == spared.state()


def test_the_next_step_reports_a_step_that_was_not_finite_and_changes_nothing_either(make_trainer: Make) -> None:
    trainer, spared = (make_trainer(ema=0.9, image_pool=3) for _ in range(2))
    for each in (trainer, spared):
        each.step([batch(1)])
    trainer.step([poisoned(2)])
    with pytest.raises(DivergedError, match=r"not finite at step 2: .*the images were spoilt, spoilt, sound, sound"):
        trainer.step([batch(3)])
    assert trainer.step_number == 1
    assert alike(trainer, spared)


def fail_while_discriminators_learn(trainer: Trainer) -> None:
    def fail(*_: object) -> None:
        if next(trainer.model.discriminators.parameters()).requires_grad:
            raise MemoryError("with images in the pools already")

    hook = trainer.model.discriminators["b"].register_forward_hook(fail)
    with pytest.raises(MemoryError):
        trainer.step([batch(2)])
    hook.remove()


def test_a_step_that_fails_leaves_no_traces(make_trainer: Make) -> None:
    trainer, spared = (make_trainer(ema=0.9, image_pool=3) for _ in range(2))
    for each in (trainer, spared):
        each.step([batch(1)])
    fail_while_discriminators_learn(trainer)
    assert trainer.is_whole
    assert alike(trainer, spared)
    for each in (trainer, spared):
        each.step([batch(3)])
    assert alike(trainer, spared)


def test_after_a_failed_step_networks_with_buffers_are_not_whole(make_trainer: Make) -> None:
    trainer, spared = (make_trainer(ema=0.9, image_pool=3, tables=REMEMBERS) for _ in range(2))
    for each in (trainer, spared):
        each.step([batch(1)])
    saved = copy.deepcopy(trainer.tensors()), copy.deepcopy(trainer.state())
    assert trainer.is_whole
    fail_while_discriminators_learn(trainer)
    assert not trainer.is_whole
    assert all(torch.equal(*pair) for pair in zip(parameters(trainer), parameters(spared), strict=True))
    trainer.load(1, *saved)
    assert trainer.is_whole
    for each in (trainer, spared):
        each.step([batch(3)])
    assert alike(trainer, spared)


def test_a_failure_while_the_weights_are_updated_leaves_no_whole_state(make_trainer: Make) -> None:
    trainer = make_trainer()
    trainer.step([batch(1)])
    update = trainer.optimizers.discriminators.step

    def fail() -> None:
        raise MemoryError("after the generators' update")

    trainer.optimizers.discriminators.step = fail  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        trainer.step([batch(2)])
    assert not trainer.is_whole
    trainer.optimizers.discriminators.step = update  # type: ignore[method-assign]


def test_a_gradient_that_is_not_finite_is_an_error_too(make_trainer: Make) -> None:
    trainer = make_trainer(clip_gradients=1.0)
    weight = next(trainer.model.generators.parameters())
    weight.register_hook(lambda gradient: gradient * float("inf"))
    before = parameters(trainer)
    trainer.step([batch(1)])
    with pytest.raises(DivergedError, match=r"step 1: a gradient \(every loss is finite\)"):
        trainer.tensors()
    assert all(torch.equal(*pair) for pair in zip(before, parameters(trainer), strict=True))


class ReadingForbidden(TorchDispatchMode):
    """Forbids reading a value from a tensor, which on a GPU would wait for the device."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert operation is not torch.ops.aten._local_scalar_dense.default
        assert operation is not torch.ops.aten.nonzero.default
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("memory", ["fast", "balanced", "low"])
def test_a_step_never_waits_for_the_device(make_trainer: Make, memory: str) -> None:
    trainer = make_trainer("bf16", ema=0.9, clip_gradients=1.0, memory=memory)
    trainer.step([batch(1)])
    trainer.settle()
    with ReadingForbidden():
        trainer.step([batch(2)])
    with pytest.raises(AssertionError), ReadingForbidden():
        trainer.settle()


@pytest.mark.parametrize("memory", ["fast", "balanced", "low"])
def test_in_bf16_each_weight_of_a_generator_is_cast_once_a_step(make_trainer: Make, memory: str) -> None:
    trainer = make_trainer("bf16", memory=memory)
    casts: list[int] = []

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if operation is torch.ops.aten._to_copy.default and (kwargs or {}).get("dtype") == torch.bfloat16:
                casts.extend([args[0].data_ptr()] if args[0].data_ptr() in weights else [])
            return operation(*args, **(kwargs or {}))

    weights = {parameter.data_ptr() for parameter in trainer.model.generators.parameters()}
    with Counting():
        trainer.step([batch(1)])
    assert sorted(casts) == sorted(weights)


def test_a_schedule_changes_both_learning_rates(make_trainer: Make) -> None:
    trainer = make_trainer(
        tables={"schedule": {"name": "constant-then-linear", "constant": 0.0}}, discriminator_learning_rate=1e-4
    )
    rates = []
    for number in range(3):
        trainer.step([batch(number)])
        rates.append(
            [
                optimizer.param_groups[0]["lr"]
                for optimizer in (trainer.optimizers.generators, trainer.optimizers.discriminators)
            ]
        )
    for number, (generators, discriminators) in enumerate(rates):
        factor = 1 - (number + 1) / 101
        assert generators == pytest.approx(2e-4 * factor)
        assert discriminators == pytest.approx(1e-4 * factor)


def test_the_moving_average_has_a_smaller_decay_at_first(make_trainer: Make) -> None:
    trainer = make_trainer(ema=0.9)
    start = [p.detach().clone() for p in trainer.model.generators.parameters()]
    trainer.step([batch(1)])
    decay = 2 / 11
    for first, average, now in zip(
        start, trainer.best_generators.parameters(), trainer.model.generators.parameters(), strict=True
    ):
        torch.testing.assert_close(average, first * decay + now * (1 - decay))


def test_a_restored_state_trains_on_bit_for_bit(make_trainer: Make) -> None:
    options = {"ema": 0.9, "image_pool": 3, "tables": {"generator": {"name": "resnet", "width": 4, "dropout": 0.5}}}
    straight, first, second = (make_trainer(**options) for _ in range(3))
    for number in range(6):
        straight.step([batch(number)])
    for number in range(3):
        first.step([batch(number)])
    second.load(3, first.tensors(), first.state())
    for number in range(3, 6):
        second.step([batch(number)])
    for file, tensors in straight.tensors().items():
        assert all(torch.equal(tensor, second.tensors()[file][name]) for name, tensor in tensors.items())
    assert straight.state() == second.state()


def test_the_state_of_another_architecture_is_refused(make_trainer: Make) -> None:
    other = make_trainer(tables={"generator": {"name": "resnet", "width": 8}})
    trainer = make_trainer()
    with pytest.raises(CheckpointError, match="model"):
        trainer.load(1, other.tensors(), other.state())


def test_bf16_keeps_parameters_losses_and_optimizer_in_float32(make_trainer: Make) -> None:
    trainer = make_trainer(precision="bf16")
    losses = trainer.step([batch(1)])
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    floats = [tensor for file in trainer.tensors().values() for tensor in file.values() if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in floats} == {torch.float32}


def test_bf16_trains_like_float32(make_trainer: Make) -> None:
    final = {}
    for precision in ("fp32", "bf16"):
        trainer = make_trainer(precision=precision)
        for _ in range(30):
            losses = trainer.step([batch(1)])
        final[precision] = sum(float(losses[name]) for name in ("cycle_forward", "identity_b"))
    assert final["bf16"] == pytest.approx(final["fp32"], rel=0.05)


def test_compiled_networks_train_like_eager_ones_and_compiling_changes_no_state(make_trainer: Make) -> None:
    # Each shape that a network is called with is compiled apart, and the identity passes have one of their own.
    tables = {
        "discriminator": {"name": "patch", "width": 4, "layers": 1, "norm": "batch"},
        "objective": {"identity": 0},
    }
    compiled, eager = (make_trainer(tables=tables, image_pool=3) for _ in range(2))
    for trainer in (compiled, eager):
        trainer.step([batch(0)])
    before = copy.deepcopy((compiled.tensors(), compiled.state()))
    compiled.compile(compiled.model.networks(), [batch(1)])
    for file, tensors in compiled.tensors().items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, before[0][file][name]), f"{file}: {name}"
    assert compiled.state() == before[1]
    for seed in (2, 3):
        losses = eager.step([batch(seed)])
        for name, loss in compiled.step([batch(seed)]).items():
            assert float(loss) == pytest.approx(float(losses[name]), rel=1e-9), name
