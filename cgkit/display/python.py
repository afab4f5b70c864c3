"""How `cgkit.run` shows a run if the caller does not choose."""

from __future__ import annotations

import sys
import warnings
from contextlib import AbstractContextManager, nullcontext

from cgkit.display.notebook import NotebookReporter
from cgkit.display.reporter import Reporter, Silence
from cgkit.display.terminal import TerminalReporter
from cgkit.errors import RunWarning


class _ForCaller:
    """Passes warnings to the caller, who can filter, record or log them."""

    def warning(self, text: str, traceback: str = "") -> None:
        warnings.warn(text, RunWarning, stacklevel=2)


class _Silent(_ForCaller, Silence):
    pass


class _InTerminal(_ForCaller, TerminalReporter):
    pass


class _InNotebook(_ForCaller, NotebookReporter):
    pass


def reporter_for_caller() -> AbstractContextManager[Reporter]:
    """Return what shows a run: in a notebook below its cell, in a terminal on stderr, otherwise nothing.

    Warnings of the run are Python's: `cgkit.errors.RunWarning`.
    """
    if _is_in_notebook():
        return _InNotebook()
    return _InTerminal() if sys.stderr.isatty() else nullcontext(_Silent())


def _is_in_notebook() -> bool:
    """Return whether a Jupyter kernel runs this code. IPython is not imported if nobody else has imported it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")
