"""The two optimisers of a CycleGAN: one for both generators, one for both discriminators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.checkpoints import load_optimizer, optimizer_tensors
from cgkit.engine.cyclegan import CycleGAN
from cgkit.spec import model as spec


class Optimizers:
    """Adam for each pair of networks, with the spec's learning rates (section 4 of the paper).

    The device itself skips an update if a loss or gradient is not finite, so that no step waits for that result.
    """

    def __init__(self, model: CycleGAN, settings: spec.Train) -> None:
        rate, betas = settings.learning_rate, settings.betas
        self.generators = _adam(model.generators, rate, betas)
        self.discriminators = _adam(model.discriminators, settings.discriminator_learning_rate or rate, betas)
        self._clip_norm = settings.clip_gradients

    def set_learning_rates(self, factor: float) -> None:
        """Set every learning rate to its initial value times a factor."""
        for optimizer in self._by_name().values():
            for group in optimizer.param_groups:
                rate = group["initial_lr"] * factor
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
            # This works as in torch's gradient scaler: a fused optimiser skips its update if `found_inf` is not zero.
            optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
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

    def load(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Restore the state from the results of `tensors()` and `state()`.

        Raises:
            CheckpointError: the saved state does not fit these optimisers.
        """
        for name, optimizer in self._by_name().items():
            prefix = f"{name}."
            own = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
            load_optimizer(optimizer, own, state[name])

    def _by_name(self) -> dict[str, torch.optim.Optimizer]:
        return {"generators": self.generators, "discriminators": self.discriminators}


def _adam(networks: nn.Module, learning_rate: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
    parameters = list(networks.parameters())
    on_gpu = any(parameter.is_cuda for parameter in parameters)
    # On a GPU, the rate is a tensor, which a CUDA graph reads in every step; fused Adam wants it in float32.
    rate = torch.tensor(learning_rate, dtype=torch.float32, device=parameters[0].device) if on_gpu else learning_rate
    group = {"params": parameters, "lr": rate, "initial_lr": learning_rate}
    return torch.optim.Adam([group], lr=rate, betas=betas, fused=True, capturable=on_gpu)


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[nn.Parameter]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def _gradients(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter.grad for parameter in _parameters(optimizer) if parameter.grad is not None]
