from __future__ import annotations

import os
from pathlib import Path

import pytest

from cgkit.data import workers
from cgkit.data.workers import check_shared_memory, count_workers
from cgkit.errors import ResourceError


def test_a_number_is_taken_as_it_is() -> None:
    assert count_workers(3, on_gpu=True, rendered=False) == 3


def test_on_a_cpu_the_training_step_keeps_the_cores() -> None:
    assert count_workers("auto", on_gpu=False, rendered=False) == min(2, len(os.sched_getaffinity(0)))
    assert count_workers("auto", on_gpu=False, rendered=True) == 0


@pytest.mark.parametrize(
    ("cores", "ranks", "expected"), [(16, 1, 12), (8, 1, 7), (8, 4, 1), (2, 1, 1), (1, 1, 1), (64, 8, 7)]
)
def test_a_gpu_gets_all_cores_but_one_for_each_rank(
    monkeypatch: pytest.MonkeyPatch, cores: int, ranks: int, expected: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(cores)), raising=False)
    monkeypatch.setattr(workers, "MEMORY", 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(ranks))
    for rendered in (False, True):
        assert count_workers("auto", on_gpu=True, rendered=rendered) == expected


def test_little_memory_means_few_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MEMORY", 1 << 62)
    assert count_workers("auto", on_gpu=True, rendered=False) == 1


def test_too_little_shared_memory_is_an_error_that_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workers, "SHARED_MEMORY", tmp_path)
    check_shared_memory(2, 1000)
    with pytest.raises(ResourceError, match=r"4 workers load .* ahead") as error:
        check_shared_memory(4, 1 << 60)
    assert "--shm-size" in str(error.value.hint)
    assert "data.workers = 0" in str(error.value.hint)
    check_shared_memory(0, 1 << 60)
