"""TensorBoard curves, read back with TensorBoard's reader."""

from __future__ import annotations

import sys

import pytest

from cgkit.components.trackers.tensorboard import TensorBoard
from cgkit.errors import PluginError


def curves(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_a_record_can_be_read_immediately(tmp_path):
    pytest.importorskip("tensorboard")
    tracker = TensorBoard(tmp_path)
    tracker.record(10, {"cycle_forward": 1.25, "learning_rate": 0.5})
    tracker.record(20, {"cycle_forward": 1.0})
    assert curves(tmp_path) == {"cycle_forward": [(10, 1.25), (20, 1.0)], "learning_rate": [(10, 0.5)]}
    tracker.close()


def test_after_rewinding_later_points_are_hidden_and_replaced(tmp_path):
    pytest.importorskip("tensorboard")
    tracker = TensorBoard(tmp_path)
    for step in (10, 20, 30):
        tracker.record(step, {"loss": float(step)})
    tracker.rewind(20)
    tracker.record(25, {"loss": 0.5})
    tracker.close()
    assert curves(tmp_path) == {"loss": [(10, 10.0), (20, 20.0), (25, 0.5)]}


def test_a_second_tracker_continues_the_curves(tmp_path):
    pytest.importorskip("tensorboard")
    for step in (1, 2):
        tracker = TensorBoard(tmp_path)
        tracker.rewind(step - 1)
        tracker.record(step, {"loss": 1.0})
        tracker.close()
    assert curves(tmp_path) == {"loss": [(1, 1.0), (2, 1.0)]}


def test_without_the_package_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(PluginError, match="needs the package tensorboard") as caught:
        TensorBoard(tmp_path)
    assert caught.value.hint == 'pip install "cgkit[tensorboard]"'
