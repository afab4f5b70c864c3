"""Build the image formats of all plugins."""

from __future__ import annotations

from collections.abc import Iterable

from cgkit.errors import CgkitError
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
        CgkitError: a format that the spec names cannot be built.
        ValueError: a format that the spec names rejects its options.
    """
    registry = plugins.registries.formats
    entries = {registry[use.name or ""]: use for use in uses}
    built = []
    missing = []
    for component in dict.fromkeys((*registry.defaults(), *registry)):
        try:
            built.append(_build(component, entries.get(component)))
        except (CgkitError, ValueError) as error:
            if component in entries:
                raise
            missing.append(f"{component} is not available: {error}")
    return Formats(tuple(built), tuple(missing))


def _build(component: Component, use: Use | None) -> NamedFormat:
    options = use.options if use is not None else check_options(component, {})[0]
    return NamedFormat(component.name, component.provider, build(component, options=options), chosen=use is not None)
