"""The slices of several volumes, as the images of a domain."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cgkit.contracts import ImageRecord
from cgkit_medical.decoded import DECODED
from cgkit_medical.finding import Found
from cgkit_medical.foreground import filled_slices
from cgkit_medical.opening import open_volume
from cgkit_medical.padding import padding_of
from cgkit_medical.slicing import Axis, as_stack, with_neighbours


@dataclass(frozen=True)
class Cut:
    """How volumes are cut into slices.

    Attributes:
        axis: the direction in which slices follow each other.
        neighbours: number of slices on either side that are channels of a slice.
        padding: values declared to be padding; None to look for the usual ones.
        memory: number of bytes of decoded volumes that a process keeps.
    """

    axis: Axis
    neighbours: int
    padding: tuple[float, ...] | None
    memory: int


@dataclass(frozen=True)
class Slice:
    """Reads one slice with its neighbours."""

    volume: Found
    number: int
    cut: Cut

    def __call__(self) -> bytes:
        """Return an `.npy` file of `(H, W, 2 * neighbours + 1)` values.

        Raises:
            DataError: the volume cannot be read.
        """
        values = DECODED.get(self.volume.path, self.cut.padding, self.cut.memory)
        stack = as_stack(values, self.volume.affine, self.cut.axis)
        stream = io.BytesIO()
        np.save(stream, with_neighbours(stack, self.number, self.cut.neighbours))
        return stream.getvalue()


class Slices:
    """The slices of volumes, in order.

    Args:
        volumes: the volumes.
        numbers: for each volume, the numbers of the slices to show.
        cut: how volumes are cut.
    """

    def __init__(self, volumes: Sequence[Found], numbers: Sequence[Sequence[int]], cut: Cut) -> None:
        self._volumes = tuple(volumes)
        self._cut = cut
        lengths = [len(each) for each in numbers]
        self._volume = np.repeat(np.arange(len(lengths)), lengths)
        self._number = np.array([number for each in numbers for number in each], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._number)

    def __getitem__(self, index: int) -> ImageRecord:
        volume, number = self._volumes[self._volume[index]], int(self._number[index])
        name = f"{volume.stem}/{self._cut.axis}-{number:04d}.npy"
        return ImageRecord(name, encoded=Slice(volume, number, self._cut))

    def fingerprint(self) -> str:
        """Return a digest of the names and sizes of the files, and of how they are cut."""
        digest = hashlib.sha256(f"{self._cut.axis} {self._cut.neighbours} {self._cut.padding}\n".encode())
        for volume in self._volumes:
            digest.update(f"{volume.name}\0{volume.bytes_on_disk}\n".encode("utf-8", "surrogateescape"))
        for column in (self._volume, self._number):
            digest.update(column.astype("<i8").tobytes())
        return digest.hexdigest()

    def order(self, epoch: int, seed: int) -> torch.Tensor:
        """Return the order of an epoch: volumes are shuffled, and the slices of as many as fit in memory together.

        Each domain fills half of the memory, so that a process decodes each volume about once per epoch.
        """
        key = hashlib.sha256(f"{seed} {epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1)
        shuffled = torch.randperm(len(self._volumes), generator=generator).tolist()
        parts = []
        for group in self._groups(shuffled):
            indices = torch.from_numpy(np.flatnonzero(np.isin(self._volume, group)))
            parts.append(indices[torch.randperm(len(indices), generator=generator)])
        return torch.cat(parts)

    def _groups(self, volumes: Sequence[int]) -> list[list[int]]:
        """Return the volumes in groups that fit in half of the memory; a group has at least one volume."""
        groups: list[list[int]] = []
        free = 0
        for number in volumes:
            size = self._volumes[number].size
            if not groups or size > free:
                groups.append([])
                free = self._cut.memory // 2
            groups[-1].append(number)
            free -= size
        return groups


def filled_numbers(volume: Found, cut: Cut, least: float) -> list[int]:
    """Return the numbers of the slices of a volume that show something; see `cgkit_medical.foreground`."""
    opened = open_volume(volume.path)
    values: NDArray[np.generic] = opened.read()
    mask = padding_of(values, opened, cut.padding)
    stack, padding = (as_stack(each, volume.affine, cut.axis) for each in (values, mask))
    return filled_slices(stack, padding, least)
