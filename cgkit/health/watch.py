"""Turn the findings of the rules into notes: once for each problem, and only if the problem persists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cgkit.health.notes import Note
from cgkit.health.observation import Circumstances, Observation
from cgkit.health.rules import RULES

MIN_OBSERVATIONS = 3
"""The number of consecutive observations in which a rule must find a problem before the problem is noted."""

MIN_STEPS = 50
SHARE = 20
"""A problem is noted only if it persists for 1/20 of the run and for at least `MIN_STEPS` steps.

Observations during equally many steps at the start are ignored, because the networks have not learned much yet.
"""


class Watch:
    """Applies the rules to every observation of a run. The state of the watch is part of every checkpoint."""

    def __init__(self, circumstances: Circumstances) -> None:
        self._circumstances = circumstances
        self._patience = max(MIN_STEPS, circumstances.steps // SHARE)
        self._since: dict[str, list[int]] = {}
        """The first step and the length of the current series of findings, by rule and direction."""
        self._noted: set[str] = set()

    def see(self, observations: Sequence[Observation]) -> list[Note]:
        """Apply the rules to the observations of one step; return the new notes."""
        notes = []
        for observation in observations:
            step, direction = observation.step, observation.direction
            for name, rule in RULES.items():
                key = f"{name} {direction}"
                finding = rule(observation, self._circumstances) if step >= self._patience else None
                if finding is None:
                    self._since.pop(key, None)
                    continue
                since, count = self._since.get(key, (step, 0))
                self._since[key] = [since, count + 1]
                persists = step - since >= self._patience and count + 1 >= MIN_OBSERVATIONS
                if persists and key not in self._noted:
                    self._noted.add(key)
                    notes.append(Note(step, name, direction, finding.message, finding.advice))
        return notes

    def state(self) -> dict[str, Any]:
        """Return the state to save in a checkpoint, as JSON values."""
        return {"since": self._since, "noted": sorted(self._noted)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore the state saved in a checkpoint."""
        self._since = {key: list(value) for key, value in state["since"].items()}
        self._noted = set(state["noted"])
