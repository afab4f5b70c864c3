"""The settings of plugins' hooks: the tables `[plugins.PACKAGE]` of a spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cgkit.errors import CgkitError, PluginError, Problem, did_you_mean, dotted
from cgkit.options import build, check_options
from cgkit.plugins import Plugins
from cgkit.spec.model import Spec
from cgkit.spec.requirements import explain_missing


def resolve_settings(
    tables: Mapping[str, Mapping[str, Any]], plugins: Plugins
) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """Return the tables with every setting filled in, and a list of all problems."""
    resolved: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for package, values in tables.items():
        path = dotted(("plugins", package))
        declared = plugins.settings_of(package)
        if declared is None:
            problems.append(_explain(package, path, plugins))
            continue
        try:
            resolved[package], wrong = check_options(declared, values)
            if not wrong:
                build(declared, options=resolved[package])
        except CgkitError as error:
            problems.append(Problem.of(path, error))
        except ValueError as error:  # settings that exclude each other
            problems.append(Problem(path, str(error)))
        else:
            problems += [Problem(f"{path}.{problem.path}", problem.message, problem.hint) for problem in wrong]
    return resolved, problems


def build_settings(spec: Spec, package: str, plugins: Plugins) -> Any:
    """Return the settings of a package, as its `cgkit_settings` builds them from the table in a resolved spec.

    Raises:
        PluginError: no loaded plugin of the package declares settings, or they cannot be built.
    """
    declared = plugins.settings_of(package)
    if declared is None:
        raise PluginError(f"no plugin of {package} declares settings", hint="define cgkit_settings in its module")
    values, _ = check_options(declared, (spec.plugins or {}).get(package, {}))
    return build(declared, options=values)


def _explain(package: str, path: str, plugins: Plugins) -> Problem:
    """Return the problem of a table whose package declares no settings, or is not loaded."""
    known = [component.provider for component in plugins.settings()]
    missing = explain_missing(package, plugins, package)
    if missing is None:
        return Problem(path, f"{package} has no settings", did_you_mean(package, known))
    reason, hint = missing
    return Problem(path, f"{package} {reason}", did_you_mean(package, known) or hint, exit_code=PluginError.exit_code)
