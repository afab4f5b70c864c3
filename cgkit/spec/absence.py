"""What to tell where a spec needs a plugin that is not loaded: which one, why it is not, and what to install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packaging.utils import canonicalize_name, is_normalized_name

from cgkit.errors import PluginError, Problem, UnknownComponentError
from cgkit.plugins import Plugins
from cgkit.spec.requirements import absence, absences, compatible, is_file, name_of, unmet


class AbsentPlugins:
    """Tells of each plugin that is missing once: what else is unknown for want of it is no further problem.

    Args:
        plugins: the loaded plugins.
        requires: what the spec requires.
        made_with: the versions, by name, of the distributions that the run was made with before.

    Attributes:
        problems: one for each requirement that is not met.
    """

    def __init__(self, plugins: Plugins, requires: Sequence[str], made_with: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._plugins = plugins
        self._made_with = made_with
        self._told: set[str] = set()
        self._explains_all = False
        for index, requirement in enumerate(requires):
            name = name_of(requirement)
            problem = unmet(requirement, plugins, f"requires.{index}", made_with.get(name, ""))
            if problem is not None:
                self.problems.append(problem)
                self._told.add(name)
                self._explains_all = True

    def explain(self, component: str, path: str, error: UnknownComponentError) -> Problem | None:
        """Return what to tell about a name that means no component; None where the cause is told already.

        A name without a provider may be any missing package's: that one of them is missing explains all such names.
        """
        provider, _, bare = component.rpartition("/")
        if provider:
            return self._explain_qualified(provider, bare, path, error)
        if self._explains_all:
            return None
        lost = absences(self._made_with, self._plugins)
        if lost is None:
            return self._explain_unknown(path, error)
        self._explains_all = True
        message = f"{error.message}; the run was made with {lost.reason}"
        return Problem(path, message, lost.remedy, exit_code=PluginError.exit_code)

    def _explain_qualified(self, provider: str, bare: str, path: str, error: UnknownComponentError) -> Problem | None:
        name = provider if is_file(provider) else canonicalize_name(provider)
        if name in self._told:
            return None
        before = self._made_with.get(name, "")
        absent = absence(name, self._plugins, compatible(name, before))
        if absent is None or not (is_file(name) or is_normalized_name(name)):
            return Problem(path, error.message, error.hint, exit_code=error.exit_code)
        hints = [absent.remedy] if absent.remedy else []
        if error.hint and error.hint.endswith(f'/{bare}"?'):  # another provider's, almost of the same name
            hints.append(error.hint)
        self._told.add(name)
        message = f"{error.message}: it needs {name}, {absent.reason}"
        message += f" (the run was made with {before})" if before else ""
        return Problem(path, message, ", or ".join(hints) or None, exit_code=PluginError.exit_code)

    def _explain_unknown(self, path: str, error: UnknownComponentError) -> Problem:
        """Name all plugins that are not there: nobody knows what they would have provided."""
        absent = [f"{plugin.distribution} could not be loaded: {plugin.reason}" for plugin in self._plugins.failed]
        absent += [f"{plugin.distribution} is blocked: {plugin.reason}" for plugin in self._plugins.blocked]
        hint = "; ".join([*absent, *([error.hint] if error.hint else [])])
        return Problem(path, error.message, hint, exit_code=PluginError.exit_code if absent else error.exit_code)
