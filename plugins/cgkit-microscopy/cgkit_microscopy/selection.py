"""Which channels of a stack are used, and whether they are the bands of one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cgkit.errors import DataError

ChannelsAre = Literal["bands", "planes"]
PagesAre = Literal["planes", "channels"]


class Channels(Protocol):
    """What is known of the channels of a stack; see `cgkit_microscopy.planes.Stack`."""

    @property
    def channels(self) -> int:
        """The number of channels of which each is a plane of its own."""

    @property
    def samples(self) -> int:
        """The number of samples of a pixel of a plane."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels, as far as they are known."""


@dataclass(frozen=True)
class Choice:
    """The options of the format; see `cgkit_microscopy.stack.Stack`."""

    channels_are: ChannelsAre | None = None
    select: tuple[int, ...] | None = None
    pages_are: PagesAre | None = None
    keep_names: bool = False

    def or_as_trained(self, options: Mapping[str, Any]) -> Choice:
        """Return the choice, completed by the options of the source of the training images."""
        selected = options.get("select")
        return Choice(
            self.channels_are or options.get("channels_are"),
            self.select or (None if selected is None else tuple(selected)),
            self.pages_are or options.get("pages_are"),
            self.keep_names,
        )


def check_selection(selected: Sequence[int] | None) -> None:
    """Check the option `select`.

    Raises:
        ValueError: it names no channels.
    """
    if selected is not None and (not selected or min(selected) < 1 or len(set(selected)) != len(selected)):
        raise ValueError("select numbers channels from 1, each at most once, and at least one")


def select(stack: Channels, choice: Choice) -> tuple[int, ...]:
    """Return the channels to use, from 0.

    Raises:
        DataError: there is no such channel.
    """
    if choice.select is None:
        return tuple(range(stack.channels))
    if max(choice.select) > stack.channels:
        raise DataError(
            f"has {describe_channels(stack)}, so there is no channel {max(choice.select)}",
            hint='set select in [[format]] name = "stack"',
        )
    return tuple(number - 1 for number in choice.select)


def describe_channels(stack: Channels) -> str:
    """Return the number of channels and their names, for messages."""
    names = ", ".join(filter(None, stack.names[: stack.channels]))
    return f"{stack.channels} channel{'s' * (stack.channels > 1)}" + (f" ({names})" if names else "")


def are_bands(stack: Channels, selected: Sequence[int], wanted: int, choice: Choice) -> bool:
    """Return whether the channels are the bands of one image.

    Args:
        stack: the stack.
        selected: the channels to use, from 0.
        wanted: the number of bands of the model's images.
        choice: the options.

    Raises:
        DataError: the model has another number of bands.
    """
    bands = len(selected) * stack.samples
    if bands == 1 or (bands == stack.samples and choice.channels_are is None):
        return True
    merged = choice.channels_are == "bands" or (choice.channels_are is None and wanted > 1)
    if merged and bands != wanted:
        several = f", of which {len(selected)} are selected" if len(selected) < stack.channels else ""
        raise DataError(
            f"has {describe_channels(stack)}{several}, but the model translates images of {wanted}",
            hint=f'set in [[format]] name = "stack" select to the numbers of {wanted}, such as '
            f'select = {list(range(1, wanted + 1))}, or channels_are = "planes" to translate each on its own',
        )
    return merged
