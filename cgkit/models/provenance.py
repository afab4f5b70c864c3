"""The plugins that a run or a model was made with, and the check that the installed plugins are compatible."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgkit.errors import PluginError, Problems
from cgkit.plugins import Plugins
from cgkit.registry import BUILT_IN
from cgkit.spec import Spec
from cgkit.spec.providers import providers_used
from cgkit.spec.requirements import compatible, is_between, is_same_series

OBSERVERS = ("metric", "tracker")
"""The tables whose components have no effect on training."""


def made_with(providers: Any) -> dict[str, str] | None:
    """Return the plugin versions, by name, from the `providers` of a file, without cgkit; None if these are invalid.

    Files from older versions list all plugins that were installed, along with cgkit.
    """
    if not isinstance(providers, dict) or not all(isinstance(version, str) for version in providers.values()):
        return None
    return {name: version for name, version in providers.items() if name != BUILT_IN}


def refuse_other_plugins(made_with: Mapping[str, str] | None, spec: Spec, plugins: Plugins, folder: Path) -> str | None:
    """Refuse to use a run or model folder with plugins that may interpret its spec differently.

    Args:
        made_with: the versions, by name, of the packages that the folder was made with; None if unknown.
        spec: the resolved spec of the folder.
        plugins: the loaded plugins.
        folder: the run or model folder, for the message.

    Returns:
        A one-line warning if versions differ but belong to the same release series, or the installed package declares
        that it reads what the other one made; None if no version differs.

    Raises:
        PluginError: a package is installed in another release series, or the folder was made without a package whose
            components affect training. The message has one line for each package in another release series, and one
            line for all packages that were missing.
    """
    if made_with is None:
        return None
    refused, changed = [], []
    for name, version in providers_used(spec, plugins).items():
        before = made_with.get(name, version)
        if not is_same_series(before, version) and not is_between(before, plugins.reads_since(name), version):
            remedy = f'pip install "{compatible(name, before)}"'
            refused.append(f"{folder} was made with {name} {before}, but {version} is installed; {remedy}")
        elif before != version:
            changed.append(f"{name} {before} (now {version})")
    strangers = [name for name in providers_used(spec, plugins, without=OBSERVERS) if name not in made_with]
    if strangers:
        missing = [name for name, version in made_with.items() if version and not plugins.version_of(name)]
        install = " ".join(f'"{compatible(name, made_with[name])}"' for name in missing)
        remedy = f"; pip install {install}" if missing else ""
        refused.append(f"{folder} was made without {' and '.join(strangers)}, which its spec now needs{remedy}")
    if refused:
        raise PluginError(Problems.of(refused))
    return f"{folder} was made with {', '.join(changed)}" if changed else None
