"""The two optimisers of a CycleGAN: one for both generators, one for both discriminators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.checkpoints import load_optimizer, optimizer_tensors
from cgkit.engine.cyclegan import CycleGAN
from cgkit.spec import model as spec

Build = Callable[[Sequence[nn.Parameter], float], torch.optim.Optimizer]
"""A function that builds an optimiser of parameters, with a learning rate."""


class Optimizers:
    """An optimiser for each pair of networks, with the spec's learning rates (section 4 of the paper).

    If an optimiser can, the device itself skips an update whose losses or gradients are not finite, so that no step
    waits for that result.

    Args:
        model: the networks.
        heads: the trained terms of the objective, which join the optimiser of the generators.
        builders: builds the optimisers `generators` and `discriminators`.
        settings: the learning rates, and how gradients are clipped.
    """

    def __init__(self, model: CycleGAN, heads: nn.Module, builders: Mapping[str, Build], settings: spec.Train) -> None:
        rate = settings.learning_rate
        self.generators = _build(builders["generators"], [*model.generators.parameters(), *heads.parameters()], rate)
        self.discriminators = _build(
            builders["discriminators"],
            list(model.discriminators.parameters()),
            settings.discriminator_learning_rate or rate,
        )
        self._clip_norm = settings.clip_gradients

    @property
    def wait_for_device(self) -> bool:
        """Whether an optimiser has to learn from the host that it must skip an update."""
        return not all(map(_skips_on_device, self._by_name().values()))

    def set_learning_rates(self, factors: Mapping[str, float]) -> None:
        """Set every learning rate to its initial value times the factor of its optimiser."""
        for name, optimizer in self._by_name().items():
            for group in optimizer.param_groups:
                rate = group["initial_lr"] * factors[name]
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def gradients(self) -> list[Tensor]:
        """Return all gradients of all networks."""
        return [gradient for optimizer in self._by_name().values() for gradient in _gradients(optimizer)]

    def gradient_norms(self) -> dict[str, Tensor]:
        """Return the gradient norm of each optimiser that has gradients, as scalars on the device."""
        return {
            name: nn.utils.get_total_norm(gradients)
            for name, optimizer in self._by_name().items()
            if (gradients := _gradients(optimizer))
        }

    def update(self, norms: Mapping[str, Tensor], finite: Tensor) -> None:
        """Update the weights and free the gradients.

        Args:
            norms: the result of `gradient_norms`.
            finite: a boolean scalar on the device; if false, weights and optimiser state stay as they are.
        """
        optimizers = self._by_name()
        for name, norm in norms.items():
            optimizer = optimizers[name]
            if self._clip_norm is not None:
                nn.utils.clip_grads_with_norm_(list(_parameters(optimizer)), self._clip_norm, norm)
            if _skips_on_device(optimizer):
                # This works as in torch's gradient scaler: a fused optimiser skips its update if this is not zero.
                optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
                optimizer.step()
            elif bool(finite):
                optimizer.step()
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """Free the gradients."""
        for optimizer in self._by_name().values():
            optimizer.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors of the optimisers' state, by name."""
        return {
            f"{name}.{key}": tensor
            for name, optimizer in self._by_name().items()
            for key, tensor in optimizer_tensors(optimizer)[0].items()
        }

    def state(self) -> dict[str, Any]:
        """Return the rest of the optimisers' state, as JSON values."""
        return {name: optimizer_tensors(optimizer)[1] for name, optimizer in self._by_name().items()}

    def load(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any], former: Optimizers | None = None) -> None:
        """Restore the state from the results of `tensors()` and `state()`.

        Args:
            tensors: the tensors.
            state: the rest.
            former: new optimisers with the options and rates of those that were saved, if these have changed. An option
                that differs from that of a former optimiser keeps its new value.

        Raises:
            CheckpointError: the saved state does not fit these optimisers.
        """
        for name, optimizer in self._by_name().items():
            prefix = f"{name}."
            own = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
            options = _changed_options(optimizer, former._by_name()[name]) if former is not None else []
            load_optimizer(optimizer, own, state[name])
            for group, values in zip(optimizer.param_groups, options, strict=False):
                group.update(values)

    def _by_name(self) -> dict[str, torch.optim.Optimizer]:
        return {"generators": self.generators, "discriminators": self.discriminators}


def _build(build: Build, parameters: list[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    optimizer = build(parameters, learning_rate)
    for group in optimizer.param_groups:
        group["initial_lr"] = float(group["lr"])
        if parameters[0].is_cuda and _skips_on_device(optimizer):
            # On a GPU, the rate is a tensor, which a CUDA graph reads in every step; fused Adam wants it in float32.
            group["lr"] = torch.tensor(group["initial_lr"], dtype=torch.float32, device=parameters[0].device)
            if "capturable" in group:
                group["capturable"] = True
    return optimizer


def _changed_options(now: torch.optim.Optimizer, before: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return the options of each group that have other values in a former optimiser, except for the current rate."""
    return [
        {name: value for name, value in group.items() if name not in ("params", "lr") and value != former.get(name)}
        for group, former in zip(now.param_groups, before.param_groups, strict=True)
    ]


def _skips_on_device(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether an optimiser reads `found_inf`, as torch's fused optimisers do."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[nn.Parameter]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def _gradients(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter.grad for parameter in _parameters(optimizer) if parameter.grad is not None]
