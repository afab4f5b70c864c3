"""Leaving the process as it was, whatever a component does to it."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Put back what components may change but must not: every global generator, torch's settings, the folder."""
    kept = random.getstate(), np.random.get_state(), torch.get_default_dtype(), torch.get_num_threads(), Path.cwd()
    try:
        with (
            torch.random.fork_rng(devices=[]),
            torch.enable_grad(),
            warnings.catch_warnings(),
            contextlib.redirect_stdout(sys.stderr),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_default_dtype(kept[2])
        if torch.get_num_threads() != kept[3]:
            torch.set_num_threads(kept[3])
        os.chdir(kept[4])
