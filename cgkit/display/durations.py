"""Durations as text."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """Return a duration in words: `40 seconds`, `25 minutes`, `6.5 hours`, `4.1 days`."""
    for limit, length, name in ((120, 1, "seconds"), (7200, 60, "minutes")):
        if seconds < limit:
            count = round(seconds / length)
            return f"{count} {name[:-1] if count == 1 else name}"
    return f"{seconds / 3600:.1f} hours" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def format_clock(seconds: float) -> str:
    """Return a duration as `2:05`, `1:02:05`, or `3 d 4 h`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 100:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
