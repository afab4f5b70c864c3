"""Packages by name: how PyPI spells them, and which ones to install for what is missing."""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import PackageNotFoundError, requires

VOLUMES, STACKS, SCENES = "cgkit-medical", "cgkit-microscopy", "cgkit-geo"
"""Packages of plugins for files that cgkit does not read by itself. It needs none of them: messages suggest them."""
PAGES = "cgkit-page"
"""A package with an exporter that writes web pages, likewise."""

_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def canonical_name(package: str) -> str:
    """Return the name of a package as PyPI spells it (PEP 503): `cgkit-hinge` for `Cgkit_Hinge`."""
    return re.sub(r"[-_.]+", "-", package).lower()  # `packaging` can do this too, but is slow to import


def required_name(requirement: str) -> str:
    """Return the name of the package in a requirement: `cgkit-halo` for `Cgkit_Halo[x] >= 1`."""
    return canonical_name(re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0])


def install_hint(error: BaseException, package: str) -> str | None:
    """Return the command that installs the module whose absence raised an exception.

    If the package of the plugin requires the module in an extra, the command installs that extra. A module is assumed
    to have the name of its package.

    Args:
        error: the exception.
        package: the plugin's package, or the file name of a plugin in a single file.

    Returns:
        The command; None if the exception has another cause, such as a missing part of an installed package.
    """
    module = error.name.partition(".")[0] if isinstance(error, ModuleNotFoundError) and error.name else ""
    wanted = canonical_name(module)
    if not module or wanted == canonical_name(package) or importlib.util.find_spec(module) is not None:
        return None
    try:
        needed = [text for text in requires(package) or () if required_name(text) == wanted]
    except PackageNotFoundError:
        needed = []
    extras = [extra[1] for text in needed if (extra := _EXTRA.search(text))]
    if extras and len(extras) == len(needed):
        return f'pip install "{package}[{extras[0]}]"'
    return f"pip install {wanted if needed else module}"
