"""The tracker keeps its contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cgkit.testing import conformance


@conformance("cgkit-mlflow")
def test_every_component_keeps_its_contract(check: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    check()
