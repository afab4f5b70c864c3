"""Training: steps with gradient accumulation, several ranks, mixed precision and the detection of divergence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.abilities import works_in_channels_last
from cgkit.checkpoints import left_out_digest, load_saved_state, saved_state
from cgkit.data.loading import Batch
from cgkit.data.randomness import derive_seed
from cgkit.engine.assembly import Assembly
from cgkit.engine.distributed import ALONE, Processes
from cgkit.engine.divergence import Flag, PendingStep
from cgkit.engine.gpu.cuda_graph import RecordedStep, launch_from_host, record
from cgkit.engine.gradients import Gradients
from cgkit.engine.image_pool import ImagePools
from cgkit.engine.moving_average import MovingAverage
from cgkit.engine.objective import Losses
from cgkit.engine.optimizers import Build, Optimizers
from cgkit.engine.pools_of_ranks import gather_pools, share_pools
from cgkit.engine.precision import Precision
from cgkit.spec import Spec
from cgkit.spec.model import Train


class Trainer:
    """Trains a CycleGAN one step at a time.

    The trainer holds all state that changes from step to step; `tensors()` and `state()` return it for checkpoints.
    """

    def __init__(
        self,
        assembly: Assembly,
        spec: Spec,
        *,
        steps: int,
        epoch_steps: int,
        precision: Precision,
        processes: Processes = ALONE,
    ) -> None:
        model, objective, settings = assembly.model, assembly.objective, spec.train
        self.model = model.to(precision.device, precision.dtype)
        if precision.device.type == "cuda":
            for network in filter(works_in_channels_last, model.networks()):
                network.to(memory_format=torch.channels_last)
        self.objective = objective
        objective.parts.to(precision.device, precision.dtype)
        self.precision = precision
        self.processes = processes
        self.stop_agreed = False
        """Whether any rank was asked to stop; with several ranks, all learn of a request together, one step later."""
        self._stop_asked: Flag | bool = False
        self.step_number = 0
        """The number of completed steps."""
        self.steps = steps
        self._epoch_steps = epoch_steps
        self._schedules = assembly.schedules
        self._settings = settings
        model.recompute = settings.memory == "low"
        self._seed = spec.seed
        self.optimizers = Optimizers(model, objective.heads, assembly.optimizers, settings)
        self.image_pools = ImagePools(settings.image_pool, spec.seed, processes.stream)
        self.moving_average = None if settings.ema is None else MovingAverage(model.generators, settings.ema)
        self.losses: Losses = {}
        """The losses of the current step: weighted scalars on the device, averaged over the step's batches."""
        self._gradients = Gradients(model, objective, self.image_pools, precision, settings.memory)
        self._recorded: RecordedStep | None = None
        self._pending: PendingStep | None = None
        self._has_failed = self._is_updating = False

    @property
    def best_generators(self) -> nn.ModuleDict:
        """The trained generators to translate with: their moving average if there is one, otherwise the networks."""
        average = self.moving_average
        return self._select_trained(average.networks if average else self.model.generators)  # type: ignore[arg-type]

    @property
    def raw_generators(self) -> nn.ModuleDict:
        """The trained generators, even if there is a moving average."""
        return self._select_trained(self.model.generators)

    def _select_trained(self, generators: nn.ModuleDict) -> nn.ModuleDict:
        return nn.ModuleDict({direction: generators[direction] for direction in self.objective.directions})

    @property
    def _generators_learn(self) -> bool:
        """Whether the generators learn in the next step, besides the discriminators."""
        return (self.step_number + 1) % self._settings.discriminator_steps == 0

    @property
    def is_recorded(self) -> bool:
        """Whether steps run as a CUDA graph."""
        return self._recorded is not None

    @property
    def is_whole(self) -> bool:
        """Whether the state is exactly that after `step_number` steps, with no step half done.

        A step that fails before its update is undone, except for changes to the buffers of networks, losses and
        augmentations, such as running statistics.
        """
        return not self._is_updating and not (self._has_failed and list(self._buffers()))

    def step(self, batches: Sequence[Batch], *, stop: bool = False) -> Losses:
        """Do one step on one or more batches, whose gradients are averaged; return the losses.

        With several ranks, each passes its part of every batch; gradients and losses are averaged over the ranks. The
        device itself skips the update if a loss or gradient is not finite. This step does not wait to learn of it:
        the next step, or `settle`, raises the error.

        Args:
            batches: the images of this rank.
            stop: whether this process was asked to stop; see `stop_agreed`.

        Raises:
            DivergedError: a loss or gradient of the previous step was not finite; that step and this one are undone.
        """
        self._seed_draws()
        moment = self.step_number, self.steps, self._epoch_steps
        self.optimizers.set_learning_rates({name: factor(*moment) for name, factor in self._schedules.items()})
        pools = self.image_pools.counts()
        try:
            self._compute_gradients(batches)
            self._average_over_ranks(stop)
        except BaseException:
            self._undo(pools)
            raise
        self.settle()
        # Both updates come last, because the discriminators learn from images generated before the generators' update.
        self._is_updating = True
        if self.moving_average and self._generators_learn:
            self.moving_average.advance()
        if self._recorded:
            self.losses, finite = self._recorded.update()
        else:
            finite = self._update(self.losses)
        self.objective.adversarial.adapt(self.processes.gather)
        self.processes.share_first(list(self._buffers()))
        self.step_number += 1
        self._is_updating = False
        images = [name for batch in batches for name in (*batch.names_a, *batch.names_b)]
        self._pending = PendingStep(self.step_number, self.losses, images, pools, Flag(finite))
        return self.losses

    def settle(self) -> None:
        """Wait for the losses and gradients of the last step; undo the step and raise if any is not finite.

        Raises:
            DivergedError: a loss or gradient is not finite; weights, optimisers and image pools are as they were before
                that step.
        """
        last, self._pending = self._pending, None
        if last is None or last.finite:
            return
        self._undo(last.pools)
        self.step_number = last.number - 1
        if self.moving_average and self._generators_learn:
            self.moving_average.updates -= 1
        raise last.error()

    def compile(self, networks: Sequence[nn.Module], batches: Sequence[Batch]) -> None:
        """Compile networks by computing gradients for `batches`, which are then discarded.

        Raises:
            Exception: any error of the compiler or the networks; the networks are left uncompiled.
        """
        self.model.compile_networks(networks)
        with self._rehearse():
            try:
                self._compute_gradients(batches)
            except BaseException:
                self.model.compiled.clear()
                raise

    def record(self, batches: Sequence[Batch]) -> str | None:
        """Record the step as a CUDA graph, for batches like these; training goes on as if it were not recorded.

        Returns:
            Why the step cannot be recorded, so that the host launches every kernel; None if it was recorded.
        """
        if self.optimizers.wait_for_device:
            return "an optimiser cannot skip a step on the device"
        if self._settings.discriminator_steps > 1:
            return "the generators do not learn in every step"
        with self._rehearse():
            outcome = record(
                self._gradients,
                [self._gradients.place(batch, self.step_number, number) for number, batch in enumerate(batches)],
                seed_draws=self._seed_draws,
                list_gradients=self.optimizers.gradients,
                update=self._update,
            )
        if isinstance(outcome, str):
            return outcome
        self._recorded = outcome
        return None

    @contextmanager
    def _rehearse(self) -> Iterator[None]:
        """Undo everything that a step changes before its update, at the end of a `with` block."""
        pools, buffers = self.image_pools.counts(), [buffer.clone() for buffer in self._buffers()]
        self._seed_draws()
        try:
            yield
        finally:
            self._undo(pools)
            self._has_failed = False
            with torch.no_grad():
                for buffer, before in zip(self._buffers(), buffers, strict=True):
                    buffer.copy_(before)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return all tensors that a resumed run needs, by file and name. All ranks must call this method together.

        Raises:
            DivergedError: a loss or gradient of the last step was not finite; see `settle`.
        """
        self.settle()
        files: dict[str, dict[str, Tensor]] = {"model": saved_state(self.model)}
        files["optimizer"] = self.optimizers.tensors()
        files["components"] = saved_state(self.objective.parts)
        files["pool"] = gather_pools(self.image_pools, self.processes)
        if self.moving_average:
            files["ema"] = saved_state(self.moving_average.networks)
        return files

    def state(self) -> dict[str, Any]:
        """Return the rest of the state that a resumed run needs, as JSON values."""
        return {
            "optimizers": self.optimizers.state(),
            "ema_updates": self.moving_average.updates if self.moving_average else None,
            "left_out": self._left_out,
        }

    @cached_property
    def _left_out(self) -> dict[str, str | None]:
        """The digests of the frozen tensors that checkpoints leave out."""
        return {"model": left_out_digest(self.model), "components": left_out_digest(self.objective.parts)}

    def load(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        former: tuple[Mapping[str, Build], Train] | None = None,
    ) -> None:
        """Restore the state that was saved after `step` steps.

        Args:
            step: the number of steps.
            tensors: the result of `tensors()`.
            state: the result of `state()`.
            former: how the optimisers were built and the training settings, if other ones than now.

        Raises:
            CheckpointError: the saved state does not fit this trainer.
        """
        optimizers = None
        if former is not None:
            optimizers = Optimizers(self.model, self.objective.heads, *former)
            tensors = self.precision.convert(tensors, saved_as=former[1].precision)
        digests: Mapping[str, Any] = state.get("left_out", {})
        load_saved_state(self.model, tensors.get("model", {}), digests.get("model"), what="model")
        load_saved_state(
            self.objective.parts, tensors.get("components", {}), digests.get("components"), what="components"
        )
        if self.moving_average:
            networks = self.moving_average.networks
            load_saved_state(networks, tensors.get("ema", {}), left_out_digest(networks), what="ema")
            self.moving_average.updates = int(state["ema_updates"])
        self.optimizers.load(tensors.get("optimizer", {}), state["optimizers"], optimizers)
        pools = share_pools(tensors.get("pool", {}), self.processes, self.image_pools.capacity)
        self.image_pools.load(pools, self.precision.device)
        self._pending = self._recorded = None  # a recorded step would go on with the optimisers' earlier state
        launch_from_host(self._gradients)
        self._has_failed = self._is_updating = False
        self.step_number = step

    def _compute_gradients(self, batches: Sequence[Batch]) -> None:
        """Compute gradients and losses for the batches of a step."""
        if self._recorded is None:
            inputs = [self._gradients.place(batch, self.step_number, number) for number, batch in enumerate(batches)]
            self.losses = self._gradients.compute(inputs, generators=self._generators_learn)
        else:
            places = [self._gradients.draw_places(batch, self.step_number, n) for n, batch in enumerate(batches)]
            self.losses = self._recorded.compute_gradients(batches, places)

    def _average_over_ranks(self, stop: bool) -> None:
        """Average gradients and losses over all ranks; agree on whether to stop, in the same all-reduce."""
        if self.processes.count == 1:
            self.stop_agreed = stop
            return
        self.stop_agreed = bool(self._stop_asked)  # what the ranks agreed on in the previous step
        asked = torch.tensor(float(stop), device=self.precision.device)
        gradients = self._recorded.gradients if self._recorded else self.optimizers.gradients()
        self.processes.average([*gradients, *self.losses.values(), asked])
        self._stop_asked = Flag(asked > 0)

    def _update(self, losses: Losses) -> Tensor:
        """Update the weights if all losses and gradients are finite; return whether they are, as a device scalar."""
        norms = self.optimizers.gradient_norms()
        finite = torch.isfinite(torch.stack([*losses.values(), *norms.values()])).all()
        self.optimizers.update(norms, finite)
        if self.moving_average and self._generators_learn:
            self.moving_average.update(self.model.generators, when=finite)
        self.image_pools.keep(finite)
        return finite

    def _undo(self, pools: Mapping[str, int]) -> None:
        """Drop the gradients and logits of a failed step, restore the image pools, and record the failure."""
        self.image_pools.undo(pools)
        self.optimizers.forget_gradients()
        self.objective.adversarial.forget()
        self._has_failed = True

    def _buffers(self) -> Iterator[Tensor]:
        yield from self.model.buffers()
        yield from self.objective.parts.buffers()

    def _seed_draws(self) -> None:
        """Seed torch's global random state, used by dropout, penalties and the discriminators' augmentations."""
        torch.manual_seed(derive_seed(self._seed, "step", self.step_number, *self.processes.stream))
