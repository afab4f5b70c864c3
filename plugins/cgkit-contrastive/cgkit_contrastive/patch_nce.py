"""The contrastive loss of CUT, "Contrastive learning for unpaired image-to-image translation" (ECCV 2020)."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.abilities import features_of
from cgkit.contracts import Given, Need


class PatchNCE(nn.Module):
    """Patches of a translation resemble the source's patches at the same place, more than those at other places.

    The generator's own encoder gives features of the source and of the translation. At random positions, a small
    network per layer projects them to unit vectors. For each position, the translation's vector should be closest to
    the source's vector at that position, among the vectors at all drawn positions of the same image: a cross-entropy
    over cosine similarities divided by `temperature` (equation 3). The vectors of the source are not trained by it.
    The term is the mean over the layers; with `identity`, it is averaged with that of the target images and of their
    own translations (equation 4).

    It replaces the cycle: only one generator is trained if the weights of the other direction are 0.

    Args:
        patches: the number of positions in each layer; all if there are fewer.
        temperature: divides the similarities; a smaller one makes the term care more about the most similar patches.
        width: the number of dimensions of the vectors.
        identity: whether target images should also keep their patches, as in CUT but not in FastCUT.
    """

    trained = True

    def __init__(
        self,
        *,
        patches: Annotated[int, Ge(2), Le(65_536)] = 256,
        temperature: Annotated[float, Gt(0), Le(10)] = 0.07,
        width: Annotated[int, Ge(1), Le(4096)] = 256,
        identity: bool = True,
    ) -> None:
        super().__init__()
        self.needs: tuple[Need, ...] = ("translation", "identity") if identity else ("translation",)
        self._patches = patches
        self._temperature = temperature
        self._width = width
        self.heads = nn.ModuleList()

    def prepare(self, generator: nn.Module, example: Tensor) -> None:
        """Create a projection for each of the generator's feature maps.

        Raises:
            ValueError: the generator has no features, or the two domains have different numbers of channels.
        """
        features = features_of(generator)
        if features is None:
            raise ValueError(
                f"patch-nce needs a generator with a method features, which {type(generator).__name__} lacks"
            )
        if generator(example).shape[1] != example.shape[1]:
            raise ValueError("patch-nce compares features of both domains, so it needs equal channels in both")
        self.heads.extend(_projection(features_.shape[1], self._width) for features_ in features(example))

    def forward(self, given: Given) -> Tensor:
        """Return the contrastive loss, a scalar."""
        assert given.translation is not None
        loss = self._compare(given, given.source, given.translation)
        if given.identity is None:
            return loss
        return (loss + self._compare(given, given.target, given.identity)) / 2

    def _compare(self, given: Given, real: Tensor, generated: Tensor) -> Tensor:
        features = features_of(given.generator)
        assert features is not None
        with torch.no_grad():
            of_real = features(real)
        losses = []
        for head, layer, generated_layer in zip(self.heads, of_real, features(generated), strict=True):
            positions = self._draw_positions(layer)
            with torch.no_grad():
                keys = _project(head, layer, positions)
            losses.append(contrast(_project(head, generated_layer, positions), keys, self._temperature))
        return torch.stack(losses).mean()

    def _draw_positions(self, features: Tensor) -> Tensor:
        """Draw positions without replacement, on the device itself, so that a CUDA graph can contain the draw."""
        places = features.shape[-2] * features.shape[-1]
        return torch.rand(places, device=features.device).topk(min(self._patches, places)).indices


def contrast(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of finding the key of each query among the keys of its image.

    Args:
        queries: unit vectors `(N, P, D)`.
        keys: the vectors that belong to them, `(N, P, D)`; the others of the same image are the negatives.
        temperature: divides the similarities.
    """
    # In bf16, the similarities of different patches would often be equal.
    with torch.autocast(queries.device.type, enabled=False):
        similarities = queries @ keys.transpose(1, 2) / temperature
    own = torch.arange(similarities.shape[1], device=similarities.device).expand(len(similarities), -1)
    return F.cross_entropy(similarities.flatten(0, 1), own.flatten())


def _project(head: nn.Module, features: Tensor, positions: Tensor) -> Tensor:
    """Return unit vectors `(N, P, D)` in float32 for the features `(N, C, H, W)` at some positions."""
    vectors: Tensor = head(features.flatten(2)[:, :, positions].transpose(1, 2))
    return F.normalize(vectors if vectors.dtype == torch.float64 else vectors.float(), dim=-1)


def _projection(channels: int, width: int) -> nn.Sequential:
    """Return a projection with two layers, initialised as in the authors' code."""
    first, second = nn.Linear(channels, width), nn.Linear(width, width)
    for linear in (first, second):
        nn.init.xavier_normal_(linear.weight, gain=0.02)
        nn.init.zeros_(linear.bias)
    return nn.Sequential(first, nn.ReLU(), second)
