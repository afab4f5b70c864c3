"""Generators that exchange weights with other programs, and keep or break that part of the contract."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cgkit.contracts import Recognised
from tests.testing.broken.generators import Generator
from tests.testing.broken.registry import breaks, breaks_only, good


@good("generators")
class Exchangeable(Generator):
    """One convolution, which other programs call `pen`."""

    @staticmethod
    def recognise(tensors: Mapping[str, Tensor]) -> Recognised | None:
        if set(tensors) != {"pen.weight", "pen.bias"}:
            return None
        out_channels, in_channels = tensors["pen.weight"].shape[:2]
        state = {name.replace("pen", "mix"): tensor for name, tensor in tensors.items()}
        return Recognised(in_channels, out_channels, {}, state)

    def published_tensors(self) -> dict[str, Tensor]:
        return {name.replace("mix", "pen"): tensor for name, tensor in self.state_dict().items()}


@breaks_only("generators", "published-tensors-give-an-equal-network")
class PublishesZeroBias(Exchangeable):
    """Publishes zeros instead of its bias."""

    def published_tensors(self) -> dict[str, Tensor]:
        tensors = super().published_tensors()
        return {**tensors, "pen.bias": torch.zeros_like(tensors["pen.bias"])}


@breaks("generators", "published-tensors-give-an-equal-network")
class PublishesAttached(Exchangeable):
    """Publishes its parameters with their autograd history."""

    def published_tensors(self) -> dict[str, Tensor]:
        return {name.replace("mix", "pen"): parameter for name, parameter in self.named_parameters()}


@breaks("generators", "published-tensors-give-an-equal-network")
class RecognisesNothing(Exchangeable):
    """Does not recognise its own tensors."""

    @staticmethod
    def recognise(tensors: Mapping[str, Tensor]) -> None:
        return None


@breaks_only("generators", "strange-tensors-are-not-recognised")
class RecognisesEverything(Exchangeable):
    """Recognises any tensors."""

    @staticmethod
    def recognise(tensors: Mapping[str, Tensor]) -> Recognised | None:
        return Exchangeable.recognise(tensors) or Recognised(3, 3, {}, tensors)


@breaks("generators", "strange-tensors-are-not-recognised")
class ClearsArgument(Exchangeable):
    """Empties the dictionary that it receives."""

    @staticmethod
    def recognise(tensors: dict[str, Tensor]) -> Recognised | None:
        recognised = Exchangeable.recognise(tensors)
        tensors.clear()
        return recognised
