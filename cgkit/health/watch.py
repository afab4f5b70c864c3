"""From what rules find at one moment to what is worth saying: once, and only when it lasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cgkit.health.notes import Note
from cgkit.health.observation import Circumstances, Observation
from cgkit.health.rules import RULES

LOOKS = 3
"""How many times in a row a rule must find the same."""

LEAST_STEPS = 50
SHARE = 20
"""For how many steps it must be so: a twentieth of the run, and no less than `LEAST_STEPS`.

As many steps at the beginning count for nothing: no network has learned anything then.
"""


class Watch:
    """Applies the rules to every observation of a run; what it remembers is part of every checkpoint."""

    def __init__(self, known: Circumstances) -> None:
        self._known = known
        self._patience = max(LEAST_STEPS, known.steps // SHARE)
        self._since: dict[str, list[int]] = {}
        """By rule and direction, the step since when it is found at every look, and at how many looks it was."""
        self._noted: set[str] = set()

    def see(self, observations: Sequence[Observation]) -> list[Note]:
        """Take in what a look showed; return what is new to say."""
        notes = []
        for seen in observations:
            for rule, judge in RULES.items():
                key = f"{rule} {seen.direction}"
                finding = judge(seen, self._known) if seen.step >= self._patience else None
                if finding is None:
                    self._since.pop(key, None)
                    continue
                since, looks = self._since.get(key, (seen.step, 0))
                self._since[key] = [since, looks + 1]
                lasting = seen.step - since >= self._patience and looks + 1 >= LOOKS
                if lasting and key not in self._noted:
                    self._noted.add(key)
                    notes.append(Note(seen.step, rule, seen.direction, finding.message, finding.advice))
        return notes

    def state(self) -> dict[str, Any]:
        """Return what `load` takes, as JSON values."""
        return {"since": self._since, "noted": sorted(self._noted)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Know again what was known when a checkpoint was saved."""
        self._since = {key: list(value) for key, value in state["since"].items()}
        self._noted = set(state["noted"])
