"""Build the image formats of all plugins."""

from __future__ import annotations

from collections.abc import Iterable

from cgkit.errors import CgkitError, PluginError, Problem, SpecError
from cgkit.images.formats import Formats, NamedFormat
from cgkit.options import build, check_options
from cgkit.plugins import Plugins
from cgkit.registry import Component
from cgkit.spec import Use


def load_formats(plugins: Plugins, uses: Iterable[Use] = ()) -> Formats:
    """Build every registered format: those that a spec names with its options, the others with their defaults.

    An unnamed format that cannot be built is left out; the error of a file that no format recognises gives the reason.

    Args:
        plugins: the loaded plugins.
        uses: the formats that the resolved spec names.

    Raises:
        SpecError: a format that the spec names rejects its options.
        PluginError: a format that the spec names cannot be built.
    """
    registry = plugins.registries.formats
    places = {registry[use.name or ""]: (f"format.{index}", use) for index, use in enumerate(uses)}
    built = []
    missing = []
    for component in dict.fromkeys((*registry.defaults(), *registry)):
        place, use = places.get(component, ("", None))
        try:
            built.append(_build(component, use))
        except (CgkitError, ValueError) as error:
            if use is None:
                missing.append(f"{component} is not available: {error}")
            elif isinstance(error, CgkitError):
                raise
            else:
                raise SpecError([Problem(place, str(error))]) from error
    return Formats(tuple(built), tuple(missing))


def _build(component: Component, use: Use | None) -> NamedFormat:
    options = use.options if use is not None else check_options(component, {})[0]
    built = build(component, options=options)
    if not isinstance(getattr(built, "suffixes", None), tuple):
        raise PluginError(f"{component} does not say in a tuple which suffixes it has")
    return NamedFormat(component.name, component.provider, built, chosen=use is not None)
