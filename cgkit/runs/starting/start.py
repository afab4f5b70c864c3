"""Give the networks of a new run the weights that its spec starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cgkit.engine.cyclegan import CycleGAN
from cgkit.errors import CgkitError, Problem, SpecError
from cgkit.models.info import DIRECTIONS
from cgkit.plugins import Plugins
from cgkit.runs.starting.fitting import Fit, take
from cgkit.runs.starting.sources import Source, read_source
from cgkit.spec.start import Start, is_remote

_OTHER = {"a2b": "b2a", "b2a": "a2b", "a": "b", "b": "a"}


@dataclass(frozen=True)
class Started:
    """What the networks of a run took from one source; `address` is the source's address in the spec."""

    address: str
    source: Source
    fits: tuple[Fit, ...]

    def __str__(self) -> str:
        return "\n  ".join([f"starting from {self.address} ({self._origin})", *map(str, self.fits)])

    def to_json(self) -> dict[str, Any]:
        """Return JSON values for the run folder; `summary` is for the model card, so it does not reveal folders."""
        path = Path(self.address)
        name = self.address if is_remote(self.address) else "/".join(path.relative_to(path.anchor).parts[-2:])
        summary = [f"{name} ({self._origin}, sha256 {self.source.sha256[:16]})", *map(str, self.fits)]
        return {
            "address": self.address,
            "path": str(self.source.path),
            "step": self.source.step,
            "weights": "ema" if self.source.averaged else "raw",
            "sha256": self.source.sha256,
            "networks": [asdict(fit) for fit in self.fits],
            "summary": "\n".join(summary),
        }

    @property
    def _origin(self) -> str:
        step = "step unknown" if self.source.step is None else f"step {self.source.step}"
        return f"{step}, {'moving average' if self.source.averaged else 'weights as trained'}"


def start_from(start: Start, model: CycleGAN, plugins: Plugins) -> tuple[Started, ...]:
    """Copy into the networks what fits of the weights that the table `[start]` names; return what was taken.

    Raises:
        SpecError: a source cannot be read, or nothing of it fits.
    """
    addresses = {direction: getattr(start.addresses, direction) for direction in DIRECTIONS}
    started = []
    for address in dict.fromkeys(filter(None, addresses.values())):
        directions = [direction for direction in DIRECTIONS if addresses[direction] == address]
        place = "start.from" if len(directions) > 1 else f"start.from.{directions[0]}"
        try:
            source = read_source(address, start.weights, plugins)
        except CgkitError as error:
            raise SpecError([Problem.of(place, error)]) from error
        if source.path.is_file() and len(directions) > 1:
            hint = f'for example from = {{ a2b = "{source.path.name}" }}'
            raise SpecError([Problem(place, "a file holds one network, so its direction has to be given", hint)])
        started.append(Started(address, source, tuple(_take_all(start, directions, source, model, place))))
    return tuple(started)


def _take_all(start: Start, directions: Sequence[str], source: Source, model: CycleGAN, place: str) -> list[Fit]:
    """Return what each network took; a direction has its generator and the discriminator of its target domain."""
    other = _OTHER if start.swap else {}

    def take_each(kind: str, names: Sequence[str], *, needed: bool) -> list[Fit]:
        own, theirs = model.get_submodule(f"{kind}s"), getattr(source, f"{kind}s")
        fits = [take(own.get_submodule(name), theirs.get(other.get(name, name)), f"{kind} {name}") for name in names]
        if needed and not any(fit.taken for fit in fits):
            raise SpecError(
                [Problem(place, f"nothing of the source fits {fits[0]}", f"compare [{kind}] in both specs")]
            )
        return fits

    fits = take_each("generator", directions, needed=True) if start.generators else []
    if start.discriminators:
        needed = start.discriminators is True or not start.generators
        fits += take_each("discriminator", [direction[-1] for direction in directions], needed=needed)
    return fits
