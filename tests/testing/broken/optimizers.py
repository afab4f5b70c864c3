"""Optimisers that keep or break their contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tests.testing.broken.registry import breaks_only, good


@good("optimizers")
class Descent(torch.optim.Optimizer):
    """Gradient descent."""

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        super().__init__(parameters, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.move(parameter, parameter.grad, group)

    def move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        parameter.add_(gradient, alpha=-group["lr"])


@breaks_only("optimizers", "optimizers-are-torchs")
class Faster(Descent):
    """Gradient descent with ten times the learning rate."""

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        super().__init__(parameters, 10 * learning_rate)


@breaks_only("optimizers", "optimizers-minimise")
class Ascent(Descent):
    """Gradient ascent."""

    def move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        parameter.add_(gradient, alpha=group["lr"])


@breaks_only("optimizers", "optimizers-follow-the-learning-rate")
class Stubborn(Descent):
    """Gradient descent with its first learning rate."""

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        super().__init__(parameters, learning_rate)
        self.rate = learning_rate

    def move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        parameter.add_(gradient, alpha=-self.rate)


@breaks_only("optimizers", "optimizers-skip-parameters-without-gradients")
class Decaying(Descent):
    """Gradient descent that shrinks every weight."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.mul_(1 - group["lr"])
        super().step()


@breaks_only("optimizers", "optimizers-resume-exactly")
class Forgetful(Descent):
    """Gradient descent that slows down, by a counter outside its state."""

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        super().__init__(parameters, learning_rate)
        self.count = 0

    def move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        self.count += 1
        parameter.add_(gradient, alpha=-group["lr"] / self.count)
