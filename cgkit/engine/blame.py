"""Whose code it was that went wrong in the middle of a run."""

from __future__ import annotations

import traceback
from collections.abc import Iterable

from cgkit.errors import PluginError
from cgkit.registry import BUILT_IN, Component, describe_exception


def plugin_at_fault(error: BaseException, components: Iterable[Component]) -> PluginError | None:
    """Return an error that names the plugin in whose code another was raised; None where it was none's.

    Args:
        error: what was raised, with its traceback.
        components: those that the run is made of.
    """
    providers = {
        component.load().__module__.partition(".")[0]: component.provider
        for component in components
        if component.provider != BUILT_IN
    }
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        provider = providers.get(frame.f_globals.get("__name__", "").partition(".")[0])
        if provider is not None:
            place = f"{frame.f_code.co_filename}:{line}"
            return PluginError(
                f"{provider} failed: {describe_exception(error)} ({place})",
                hint="tell its authors; CGKIT_DEBUG=1 shows the whole traceback",
            )
    return None
