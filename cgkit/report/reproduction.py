"""How a run is made again: the same packages, the whole spec, one command."""

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
    """What to type.

    Attributes:
        packages: installs the packages that the numbers depend on; empty where they are not known.
        command: trains again, from the whole spec in a file.
        spec: the text of that file.
    """

    packages: str
    command: str
    spec: str

    @property
    def download(self) -> str:
        """A `data:` URL of the spec's file."""
        return f"data:application/toml;base64,{base64.b64encode(self.spec.encode('utf-8', 'replace')).decode()}"


def reproduction(record: Record) -> Reproduction | None:
    """Return how to make a run again; None where its resolved spec is not known."""
    if not record.spec:
        return None
    providers = _versions(record.environment.get("providers"))
    # The toolkit itself may be installed from anywhere.
    packages = {
        name: version for name, version in _versions(record.environment.get("packages")).items() if name != "cgkit"
    }
    files = [name for name in providers if name.endswith(".py")]
    packages |= {name: version for name, version in providers.items() if name not in files}
    # A version such as 2.14.1+cpu is that of one build: no index has it.
    exact = [shlex.quote(f"{name}=={version.partition('+')[0]}") for name, version in packages.items()]
    plugins = "".join(f" --plugin {shlex.quote(name)}" for name in files)
    command = f"cgkit run spec.toml --output {shlex.quote(f'runs/{record.name}-again')}{plugins}"
    return Reproduction(f"pip install {' '.join(exact)}" if exact else "", command, resolved_text(record.spec))


def resolved_text(spec: Mapping[str, Any]) -> str:
    """Return a resolved spec as the text of a spec's file."""
    return tomli_w.dumps(_without_none(spec))


def _without_none(value: Any) -> Any:
    """Return a value without what TOML cannot say, which means the same as leaving it out."""
    if isinstance(value, Mapping):
        return {str(key): _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_none(inner) for inner in value if inner is not None]
    return value


def _versions(values: Any) -> dict[str, str]:
    return {str(name): str(version) for name, version in values.items()} if isinstance(values, Mapping) else {}
