"""The contracts of networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cgkit.contracts.options import Options

if TYPE_CHECKING:
    from torch import Tensor


class Generator(Protocol):
    """An `nn.Module` built as `(in_channels, out_channels, *, options)`.

    Called with `(N, in_channels, H, W)` in [-1, 1]; returns `(N, out_channels, H, W)` in [-1, 1], of the same H and W.

    Optional attributes:
        stride: the number that H and W must be multiples of (default 1); the engine pads other images and crops their
            translations.
        mixes_samples: true if the translation of an image depends on the other images in the batch. Batch norm is
            detected automatically.
        initialises_itself: true, in any of its modules, to keep the initial weights of that module and its submodules.
            Otherwise the weights of convolutions and linear layers are drawn from N(0, 0.02), as published, except
            frozen ones and those of modules that are not saved.
        channels_last: true, in any of its modules, if the network works in channels_last on a GPU; its weights are then
            in that memory format, and `train.compile = "auto"` leaves it alone.

    Optional method for terms of the objective:
        features(images): returns a list of feature maps `(N, C, h, w)` of images in [-1, 1], from shallow to deep.

    Optional methods to exchange weights with other programs:
        recognise(tensors): static. Given the tensors of a file by name, returns a `Recognised`, or None if they belong
            to a different kind of network. Raises `ValueError` if the tensors belong to this kind but cannot be used.
        published_tensors(): returns the network's tensors, detached, by the names that other programs use. `recognise`
            must recognise an equal network in these tensors. Raises `ValueError` if those programs have no equal
            network.

    Images that do not fit into memory are translated in tiles, with the same result, if torch.fx can trace the forward
    pass, all norms over an image are torch's (`GroupNorm`, `InstanceNorm2d` or their functional forms), and the output
    pixels of every other operation depend only on nearby input pixels.
    """

    def __call__(self, images: Tensor, /) -> Tensor:
        """Translate a batch of images."""


@dataclass(frozen=True)
class Recognised:
    """A generator that was recognised in the tensors of a file.

    Attributes:
        in_channels: the number of channels of the generator's input.
        out_channels: the number of channels of the generator's output.
        options: the options of the generator; options left out have their defaults.
        state: the state dict of the generator built with these options.
        remarks: sentences for the user, such as which tensors were ignored or which options could not be determined.
        alternatives: the same generator with other options, if these tensors fit it as well and it is less usual.
        undecided: names of options for which neither is usual, so that the user must choose.
    """

    in_channels: int
    out_channels: int
    options: Options
    state: Mapping[str, Tensor]
    remarks: tuple[str, ...] = ()
    alternatives: tuple[Recognised, ...] = ()
    undecided: tuple[str, ...] = ()


class Discriminator(Protocol):
    """An `nn.Module` built as `(in_channels, *, options)`.

    Called with `(N, in_channels, H, W)` in [-1, 1]; returns logits `(N, 1, h, w)`, without a sigmoid, or a list of such
    tensors, one for each scale.

    Optional attributes: `mixes_samples` and `initialises_itself`, as for a generator; and
        remembers_images: true if the network stores information about images in buffers. The network is then called as
            `discriminator(images, real=..., learning=...)`: `real` says whether the images are real, `learning` whether
            the discriminator is being trained on them. Both must have defaults. The default of `learning` is False: the
            call is for the generator's loss, a penalty or a test, and must not change the buffers.
    """

    def __call__(self, images: Tensor, /) -> Tensor | list[Tensor]:
        """Return the logits of a batch of images; a high logit means real."""
