"""The optimisers, the schedule, the image pools and the moving average of a run: one step at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.checkpoints import load_strictly
from cgkit.contracts import Schedule
from cgkit.data.loading import Batch
from cgkit.data.randomness import derive_seed, generator
from cgkit.engine.cyclegan import CycleGAN, CyclePass
from cgkit.engine.distributed import ALONE, Processes
from cgkit.engine.divergence import Answer, Traces, Unsettled
from cgkit.engine.image_pool import ImagePool
from cgkit.engine.memory import does_one_cycle_at_a_time
from cgkit.engine.moving_average import MovingAverage
from cgkit.engine.objective import Fakes, Objective, RealLogits, Terms
from cgkit.engine.optimizers import Optimizers
from cgkit.engine.precision import Precision
from cgkit.errors import CheckpointError
from cgkit.spec import model as spec

CHANNELS_LAST_FROM = 128
"""Pixels a side from which images lie in channels_last on a CPU, where convolutions are then quicker: a bf16 step by
3 % at 128 pixels and by 10 % at 256; at 64 it takes a quarter longer."""


class Trainer:
    """Trains a CycleGAN as published: both generators jointly, then both discriminators.

    All that changes from step to step is here, and in `tensors()` and `state()`.
    """

    def __init__(
        self,
        model: CycleGAN,
        objective: Objective,
        schedule: Schedule,
        settings: spec.Train,
        *,
        steps: int,
        epoch_steps: int,
        seed: int,
        precision: Precision,
        processes: Processes = ALONE,
    ) -> None:
        self.model = model.to(precision.device, precision.dtype)
        self.objective = objective
        objective.parts.to(precision.device, precision.dtype)
        self.precision = precision
        self.processes = processes
        self.stop_agreed = False
        """Whether a process was asked to stop: all know it after the same step, one step later than could be."""
        self._stop_asked: Answer | bool = False
        self.step_number = 0
        """How many steps are done."""
        self.steps = steps
        self._epoch_steps = epoch_steps
        self._schedule = schedule
        self._settings = settings
        model.recompute = settings.memory == "low"
        self._seed = seed
        self.optimizers = Optimizers(model, settings)
        self.image_pools = {domain: ImagePool(settings.image_pool) for domain in ("a", "b")}
        self.moving_average = None if settings.ema is None else MovingAverage(model.generators, settings.ema)
        self._unsettled: Unsettled | None = None

    @property
    def best_generators(self) -> nn.ModuleDict:
        """The generators to translate with: their moving average where there is one."""
        return self.moving_average.networks if self.moving_average else self.model.generators  # type: ignore[return-value]

    def step(self, batches: Sequence[Batch], *, stop: bool = False) -> Terms:
        """Do one step on one batch, or on several whose gradients are averaged; return the loss terms.

        The terms are scalars on the device, with their weights applied. With several processes each has its share of
        every batch, and gradients and terms are those of the whole. Where one is not finite the step changes nothing,
        which is told by the next step, or by `settle`: this one waits for nothing.

        Args:
            batches: the images.
            stop: whether this process was asked to stop; see `stop_agreed`.

        Raises:
            DivergedError: as of `settle`, of the step before.
        """
        self._seed_draws()
        self.optimizers.set_learning_rates(self._schedule(self.step_number, self.steps, self._epoch_steps))
        before = Traces.of((self.model, self.objective.parts), self.image_pools)
        try:
            losses, judged = self._learn(batches)
        except BaseException:
            self._undo(before)
            raise
        # The discriminators learn from images made before the generators' update, so both updates can wait until
        # it is known that every gradient is finite.
        self._average(losses, stop)
        self.settle()
        finite = self._update(losses)
        self._observe(_together(judged))
        self.step_number += 1
        images = [name for batch in batches for name in (*batch.names_a, *batch.names_b)]
        self._unsettled = Unsettled(self.step_number, losses, images, before, Answer(finite))
        return losses

    def settle(self) -> None:
        """Wait until it is known whether the last step was applied.

        Raises:
            DivergedError: a term or a gradient was not finite; all is as it was before that step.
        """
        last, self._unsettled = self._unsettled, None
        if last is None or last.finite:
            return
        self._undo(last.before)
        if self.moving_average:
            self.moving_average.updates -= 1
        self.step_number = last.number - 1
        raise last.error()

    def compile(self, batches: Sequence[Batch]) -> None:
        """Compile the networks by trying on such batches all that a step computes; nothing is learned from them.

        Raises:
            Exception: whatever the compiler raises; the networks are as they were.
        """
        before = Traces.of((self.model, self.objective.parts), self.image_pools)
        self.model.compile_networks()
        try:
            self._seed_draws()
            self._learn(batches)
        except BaseException:
            self.model.compiled.clear()
            raise
        finally:
            self._undo(before)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return everything that a resumed run needs, by file.

        Raises:
            DivergedError: as of `settle`.
        """
        self.settle()
        files: dict[str, dict[str, Tensor]] = {"model": dict(self.model.state_dict())}
        files["optimizer"] = self.optimizers.tensors()
        files["components"] = dict(self.objective.parts.state_dict())
        files["pool"] = self._pooled()
        if self.moving_average:
            files["ema"] = dict(self.moving_average.networks.state_dict())
        return files

    def state(self) -> dict[str, Any]:
        """Return the JSON values that go with `tensors()`."""
        return {
            "optimizers": self.optimizers.state(),
            "ema_updates": self.moving_average.updates if self.moving_average else None,
        }

    def load(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Become what was saved after `step` steps.

        Raises:
            CheckpointError: it is the state of something else.
        """
        load_strictly(self.model, tensors.get("model", {}), what="model")
        load_strictly(self.objective.parts, tensors.get("components", {}), what="components")
        if self.moving_average:
            load_strictly(self.moving_average.networks, tensors.get("ema", {}), what="ema")
            self.moving_average.updates = int(state["ema_updates"])
        self.optimizers.load(tensors.get("optimizer", {}), state["optimizers"])
        for domain, pool in self.image_pools.items():
            images = tensors.get("pool", {}).get(_pool_name(domain, self.processes.rank))
            if images is not None and len(images) > pool.capacity:
                raise CheckpointError(f"the image pool holds {len(images)} images, more than {pool.capacity}")
            pool.images = [] if images is None else list(images.to(self.precision.device))
        self._unsettled = None
        self.step_number = step

    def _learn(self, batches: Sequence[Batch]) -> tuple[Terms, list[RealLogits]]:
        """Add to every network's gradients what batches teach; return the losses, and the logits of real images."""
        losses: Terms = {}
        judged: list[RealLogits] = []
        share = 1 / len(batches)
        with self.precision.autocast():
            with _frozen(self.model.discriminators):
                cycles = [self._teach_generators(batch, losses, share) for batch in batches]
            for number, cycle in enumerate(cycles):
                fakes = self._exchange(self.objective.fakes(cycle), number)
                terms, real_logits = self.objective.discriminators(self.model, cycle, fakes)
                self._backward(terms, losses, share)
                judged.append(real_logits)
        return losses, judged

    def _undo(self, before: Traces) -> None:
        """Forget what was learned since, but not applied."""
        before.restore(self.image_pools)
        self.optimizers.forget_gradients()

    def _teach_generators(self, batch: Batch, losses: Terms, share: float) -> CyclePass:
        """Translate a batch, add the terms' gradients to the generators', and return the images without history."""
        real_a, real_b = self._placed(batch.real_a), self._placed(batch.real_b)
        whole = CyclePass(real_a, real_b, None, None)
        apart = does_one_cycle_at_a_time(self._settings.memory, real_a)
        for passes in self.objective.passes.apart() if apart else (self.objective.passes,):
            cycle = self.model(real_a, real_b, passes)
            self._backward(self.objective.generators(self.model, cycle), losses, share)
            whole = whole.beside(cycle.detached())
        return whole

    def _average(self, losses: Terms, stop: bool) -> None:
        """Make gradients and losses those of all processes, and let all know whether one is to stop, at one go."""
        if self.processes.count == 1:
            self.stop_agreed = stop
            return
        self.stop_agreed = bool(self._stop_asked)  # before the last step: its answer is there
        asked = torch.tensor(float(stop), device=self.precision.device)
        self.processes.average([*self.optimizers.gradients(), *losses.values(), asked])
        self._stop_asked = Answer(asked > 0)

    def _observe(self, real_logits: RealLogits) -> None:
        """Let augmentations adapt, alike in all processes, and share what the first one's networks keep in buffers."""
        if self.processes.count > 1:
            real_logits = {
                domain: [torch.cat(self.processes.gather(scale)) for scale in scales]
                for domain, scales in real_logits.items()
            }
        self.objective.observe(real_logits)
        self.processes.share_first([*self.model.buffers(), *self.objective.parts.buffers()])

    def _pooled(self) -> dict[str, Tensor]:
        """Return the images of every process's pools: each has its own."""
        return {
            _pool_name(domain, rank): images
            for domain, pool in self.image_pools.items()
            if pool.images
            for rank, images in enumerate(self.processes.gather(torch.stack(pool.images)))
        }

    def _update(self, losses: Terms) -> Tensor:
        """Change the weights unless something is not finite; return whether it was done."""
        norms = self.optimizers.gradient_norms()
        finite = torch.isfinite(torch.stack([*losses.values(), *norms.values()])).all()
        self.optimizers.update(norms, finite)
        if self.moving_average:
            self.moving_average.update(self.model.generators, when=finite)
        return finite

    def _backward(self, terms: Terms, losses: Terms, share: float) -> None:
        """Add the terms' gradients to the parameters', and their values to the losses."""
        with self.precision.as_written():
            if terms:
                torch.autograd.backward(torch.stack(list(terms.values())).sum() * share)
            for name, term in terms.items():
                losses[name] = losses.get(name, torch.zeros_like(term)) + term.detach() * share

    def _exchange(self, fakes: Fakes, number: int) -> Fakes:
        images = {"a": fakes.a, "b": fakes.b}
        for domain, made in images.items():
            if made is not None:
                place = (self.step_number, number, *self.processes.stream)
                draws = generator(self._seed, f"image-pool-{domain}", *place)
                images[domain] = _laid_out(self.image_pools[domain].exchange(made, draws))
        return Fakes(**images)

    def _seed_draws(self) -> None:
        """Dropout, penalties and the discriminators' augmentations draw from torch's own generators."""
        torch.manual_seed(derive_seed(self._seed, "step", self.step_number, *self.processes.stream))

    def _placed(self, images: Tensor) -> Tensor:
        return _laid_out(images.to(self.precision.device, self.precision.dtype, non_blocking=True))


def _laid_out(images: Tensor) -> Tensor:
    """Return images in the layout that is quicker for their size, wherever they come from."""
    last = images.device.type == "cpu" and min(images.shape[-2:]) >= CHANNELS_LAST_FROM
    return images.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def _pool_name(domain: str, rank: int) -> str:
    return f"{domain}.{rank}" if rank else domain


def _together(judged: Sequence[RealLogits]) -> RealLogits:
    """Return the logits of all the batches of a step as those of one."""
    return {
        domain: [torch.cat(scales) for scales in zip(*(logits[domain] for logits in judged), strict=True)]
        for domain in judged[0]
    }


@contextmanager
def _frozen(networks: nn.Module) -> Iterator[None]:
    """Let gradients pass through networks without reaching their parameters."""
    trained = [parameter for parameter in networks.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
