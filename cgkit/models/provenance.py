"""Which plugins a run or a model was made with, and whether those installed now may continue it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgkit.errors import PluginError
from cgkit.plugins import Plugins
from cgkit.registry import BUILT_IN
from cgkit.spec import Spec
from cgkit.spec.providers import providers_used
from cgkit.spec.requirements import Absence, absences, compatible, is_same_series

OBSERVERS = ("metric", "tracker")
"""The tables whose components do not take part in what is learned."""


def made_with(providers: Any) -> dict[str, str] | None:
    """Return the versions, by name, of the plugins that a file says something was made with; None if it does not.

    Older files name all plugins that were installed, and cgkit among them.
    """
    if not isinstance(providers, dict) or not all(isinstance(version, str) for version in providers.values()):
        return None
    return {name: version for name, version in providers.items() if name != BUILT_IN}


def refuse_other_plugins(made_with: Mapping[str, str] | None, spec: Spec, plugins: Plugins, folder: Path) -> str | None:
    """Refuse plugins that may mean something else by what the spec says than those that a folder was made with.

    A version of the same series (see `cgkit.spec.requirements.is_same_series`) may continue what another began.

    Args:
        made_with: the versions, by name, of the distributions that it was made with; None where that is not known.
        spec: the resolved spec, which is that of the folder.
        plugins: the loaded plugins.
        folder: the run folder or model folder, for the message.

    Returns:
        What to warn of, in one line: versions that differ.

    Raises:
        PluginError: with one line for each package of another series, and one where what takes part in what is learned
            comes from another package than before.
    """
    if made_with is None:
        return None
    used = providers_used(spec, plugins)
    others = {name: version for name, version in used.items() if made_with.get(name, version) != version}
    refused = [
        f"{folder} was made with {name} {made_with[name]}, and {version} is installed, which may mean something else "
        f'by the same spec; pip install "{compatible(name, made_with[name])}"'
        for name, version in others.items()
        if not is_same_series(made_with[name], version)
    ]
    strangers = [name for name in providers_used(spec, plugins, without=OBSERVERS) if name not in made_with]
    if strangers:
        lost = absences(made_with, plugins) or Absence("other packages")
        remedy = f"; {lost.remedy}" if lost.remedy else ""
        refused.append(f"{folder} was made with {lost.reason}, and without {' and '.join(strangers)}{remedy}")
    if refused:
        raise PluginError("\n".join(refused))
    versions = ", ".join(f"{name} {made_with[name]} (now {version})" for name, version in others.items())
    return f"{folder} was made with {versions}" if versions else None
