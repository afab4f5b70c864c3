"""Instructions for reproducing a run: packages, resolved spec, command."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tomli_w

from cgkit.report.record import Record


@dataclass(frozen=True)
class Reproduction:
    """Instructions for reproducing a run.

    Attributes:
        packages: the command that installs the packages on which the results depend; empty if the packages are unknown.
        command: the command that trains from the resolved spec.
        spec: the resolved spec as TOML.
    """

    packages: str
    command: str
    spec: str

    @property
    def download(self) -> str:
        """The resolved spec as a `data:` URL, for downloading it."""
        return f"data:application/toml;base64,{base64.b64encode(self.spec.encode('utf-8', 'replace')).decode()}"


def reproduction(record: Record) -> Reproduction | None:
    """Return the instructions for reproducing a run; None if its resolved spec is unknown."""
    if not record.spec:
        return None
    providers = _read_versions(record.environment.get("providers"))
    # cgkit is left out, because its version may come from a checkout and be on no package index.
    packages = {
        name: version for name, version in _read_versions(record.environment.get("packages")).items() if name != "cgkit"
    }
    files = [name for name in providers if name.endswith(".py")]
    packages |= {name: version for name, version in providers.items() if name not in files}
    # The local part of a version such as 2.14.1+cpu is dropped, because PyPI has no local versions.
    exact = [shlex.quote(f"{name}=={version.partition('+')[0]}") for name, version in packages.items()]
    plugins = "".join(f" --plugin {shlex.quote(name)}" for name in files)
    command = f"cgkit run spec.toml --output {shlex.quote(f'runs/{record.name}-again')}{plugins}"
    return Reproduction(
        f"pip install {' '.join(exact)}" if exact else "", command, tomli_w.dumps(_drop_none(record.spec))
    )


def _drop_none(value: Any) -> Any:
    """Drop None values: TOML cannot express None, and an absent key means the same."""
    if isinstance(value, Mapping):
        return {str(key): _drop_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_drop_none(inner) for inner in value if inner is not None]
    return value


def _read_versions(values: Any) -> dict[str, str]:
    return {str(name): str(version) for name, version in values.items()} if isinstance(values, Mapping) else {}
