"""Schedules that keep or break their contract, or the contract of every component."""

from __future__ import annotations

from typing import Any

from tests.testing.broken.registry import breaks, breaks_only, good


@good("schedules")
class Schedule:
    """Linear decay."""

    def __call__(self, step: int, steps: int, epoch_steps: int) -> float:
        return 1 - step / steps


@breaks_only("schedules", "options-are-typed-and-documented")
class Undocumented(Schedule):
    """Linear decay."""

    def __init__(self, *, power: float = 1.0) -> None:
        self.power = power


@breaks("schedules", "options-are-typed-and-documented")
class Untyped(Schedule):
    """Linear decay.

    Args:
        power: has no type.
    """

    def __init__(self, *, power=1.0) -> None:
        self.power = power


@breaks("schedules", "options-are-typed-and-documented")
class InvalidDefault(Schedule):
    """Linear decay.

    Args:
        power: has a default of another type.
    """

    def __init__(self, *, power: float = "much") -> None:  # type: ignore[assignment]
        self.power = power


@breaks("schedules", "can-be-built")
class NoDefault(Schedule):
    """Linear decay.

    Args:
        power: has neither a default nor an example.
    """

    def __init__(self, *, power: float) -> None:
        self.power = power


@breaks("schedules", "can-be-built")
class Unbuildable(Schedule):
    """Raises an error for its own defaults."""

    def __init__(self) -> None:
        raise ValueError("cannot be built")


@breaks("schedules", "unknown-options-are-refused")
class AnyOption(Schedule):
    """Accepts any option."""

    def __init__(self, **options: Any) -> None:
        self.options = options


@breaks_only("schedules", "can-be-pickled")
class Unpicklable(Schedule):
    """Linear decay."""

    def __init__(self) -> None:
        self.function = lambda step: step


@breaks_only("schedules", "factors-are-numbers-that-are-not-negative")
class Negative(Schedule):
    """Falls below zero."""

    def __call__(self, step: int, steps: int, epoch_steps: int) -> float:
        return 1 - 2 * step / steps


@breaks("schedules", "factors-are-numbers-that-are-not-negative")
class InfiniteAtTheEnd(Schedule):
    """Is infinite at the last step."""

    def __call__(self, step: int, steps: int, epoch_steps: int) -> float:
        return float("inf") if step == steps - 1 else 1.0


@breaks_only("schedules", "schedules-remember-nothing")
class CountsCalls(Schedule):
    """Depends on the number of calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int, steps: int, epoch_steps: int) -> float:
        self.calls += 1
        return 1 / self.calls
