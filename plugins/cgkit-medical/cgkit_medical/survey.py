"""What a folder of volumes holds, and a spec that suits two of them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cgkit.files.image_files import describe_kinds
from cgkit_medical.finding import Found, find_volumes
from cgkit_medical.opening import open_volume
from cgkit_medical.padding import padding_of
from cgkit_medical.slicing import Axis, orientation, stack_shape

PERCENTILES = (0.1, 1, 50, 99, 99.9)
EXAMINED = 10
"""Maximum number of volumes whose values are read."""

SAMPLED = 1_000_000
"""About how many voxels of a volume count for percentiles."""

AIR = -900
"""Hounsfield units of air, at most: a volume with lower values is a CT."""

WINDOW = (-1000.0, 1000.0)
"""The narrowest range that is suggested for a CT: from air to bone."""

LARGEST, STRIDE = 256, 4
"""The largest training size that is suggested, in pixels, and what it must be a multiple of."""


@dataclass(frozen=True)
class Survey:
    """What a folder holds.

    Attributes:
        folder: the folder.
        volumes: the volumes in it.
        others: other files, by suffix.
        percentiles: the values at `PERCENTILES`, without padding; of at most `EXAMINED` volumes.
        padding: values of padding, each with the number of volumes that have it.
    """

    folder: Path
    volumes: tuple[Found, ...]
    others: Counter[str]
    percentiles: tuple[float, ...]
    padding: Counter[float]

    @property
    def is_ct(self) -> bool:
        """Whether the values are Hounsfield units."""
        return self.percentiles[1] <= AIR

    @property
    def range(self) -> list[float]:
        """The range of values to suggest.

        Of a CT, it reaches from air to bone or metal. Otherwise it ends at the 99.9th percentile, and starts at 0 if no
        value is negative.
        """
        low, high = self.percentiles[0], self.percentiles[-1]
        if self.is_ct:
            return [WINDOW[0], float(max(WINDOW[1], math.ceil(high / 100) * 100))]
        ends = (0.0 if low >= 0 else low), (high if high > low else low + 1)
        return [float(f"{end:.4g}") for end in ends]

    def lines(self) -> Iterator[str]:
        """Yield what to print."""
        volumes, patients = len(self.volumes), len({volume.patient for volume in self.volumes})
        yield f"{self.folder}: {_count(volumes, 'volume')} of {_count(patients, 'patient')}"
        yield f"  size         {_spans([volume.shape for volume in self.volumes])} voxels"
        yield f"  spacing      {_spans([_spacing(volume) for volume in self.volumes])} mm"
        yield f"  orientation  {_counted(orientation(volume.affine) for volume in self.volumes)}"
        yield f"  type         {_counted(volume.depth for volume in self.volumes)}"
        pairs = zip(PERCENTILES, self.percentiles, strict=True)
        values = ", ".join(f"{share:g} %: {value:.5g}" for share, value in pairs)
        examined = f" (of {EXAMINED} volumes)" if volumes > EXAMINED else ""
        yield f"  values       {values}{examined}"
        if self.padding:
            each = ", ".join(f"{value:g} in {count}" for value, count in self.padding.most_common(5))
            yield f"  padding      {each}"
        if self.others:
            yield f"  not volumes  {describe_kinds(self.others)}"


def survey(folder: Path) -> Survey:
    """Read the headers of all volumes in a folder, and the values of some.

    Raises:
        DataError: there are none, or one cannot be read.
    """
    volumes, others = find_volumes(folder)
    samples, padding = [], Counter[float]()
    for found in volumes[:: -(-len(volumes) // EXAMINED)]:
        volume = open_volume(found.path)
        values = volume.read()
        mask = padding_of(values, volume)
        padding.update(set(np.unique(values[mask]).astype(float).tolist()))
        step = max(1, round((values.size / SAMPLED) ** (1 / 3)))
        coarse = (slice(None, None, step),) * 3
        samples.append(values[coarse][~mask[coarse]].astype(np.float64))
    joined = np.concatenate(samples)
    percentiles = np.percentile(joined, PERCENTILES) if joined.size else np.zeros(len(PERCENTILES))
    return Survey(folder, tuple(volumes), others, tuple(float(value) for value in percentiles), padding)


def suggest(a: Survey, b: Survey, axis: Axis, neighbours: int) -> str:
    """Return a spec for two folders, as TOML, with paths as given."""
    sides = [min(stack_shape(v.shape, v.affine, axis)[1:]) for v in (*a.volumes, *b.volumes)]
    size = max(STRIDE * 8, min(LARGEST, min(sides)) // STRIDE * STRIDE)
    few = min(len({volume.patient for volume in each.volumes}) for each in (a, b)) < 2
    names = [each.folder.resolve().name for each in (a, b)]
    lines = [
        f"name = {json.dumps('-to-'.join(names))}",
        'requires = ["cgkit-medical"]',
        "",
        "[data]",
        'source = "volumes"',
        *(f"{side} = {json.dumps(each.folder.as_posix())}" for side, each in (("a", a), ("b", b))),
        f"axis = {json.dumps(axis)}",
        f"neighbours = {neighbours}",
        f"channels = {2 * neighbours + 1}",
        f"size = {size}",
        f"range = {{ a = {a.range}, b = {b.range} }}",
        *(["held_out = 0  # one patient cannot be both trained on and held out"] if few else []),
        "",
        "[[augmentation]]",
        'name = "resize-and-crop"',
        f"resize = {json.dumps(size > min(sides))}  # windows at the size of the voxels, which carries meaning",
    ]
    return "\n".join(lines) + "\n"


def _spacing(volume: Found) -> tuple[float, ...]:
    return tuple(round(float(step), 3) for step in np.sqrt((volume.affine[:3, :3] ** 2).sum(axis=0)))


def _spans(rows: Sequence[Sequence[float]]) -> str:
    """Return triples as text: `512x512x90`, or the lowest to the highest of each if they differ."""
    spans = [(min(column), max(column)) for column in zip(*rows, strict=True)]
    return " x ".join(f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in spans)


def _counted(words: Iterator[str]) -> str:
    counts = Counter(words)
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{w} ({n})" for w, n in counts.most_common())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
