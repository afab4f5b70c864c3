"""The console for messages and progress, in which no text is interpreted as markup or can manipulate the terminal."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\ud800-\udfff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def rank() -> int:
    """Return the rank of this process under torchrun, or 0 without torchrun."""
    return int(os.environ.get("RANK", "0"))


class _Forgiving:
    """A stream whose reader may go away, such as a terminal that is closed: nothing that is written then matters."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def stderr() -> Console:
    """Return the console for messages and progress."""
    from rich.console import Console

    # In a log, each message stays on one line, so that grep finds all of it.
    width = None if sys.stderr.isatty() else 1000
    file = cast("TextIO", _Forgiving(sys.stderr))
    return Console(file=file, highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)


def clean(text: str) -> str:
    """Replace control characters, surrogates and marks of text direction, because they could manipulate a terminal."""
    return _CONTROL.sub("?", text)
