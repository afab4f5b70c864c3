"""The header of a MetaImage file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgkit.errors import DataError

LONGEST = 65_536
"""Bytes that a header may have."""

DEPTHS = {
    "MET_UCHAR": "uint8",
    "MET_CHAR": "int8",
    "MET_USHORT": "uint16",
    "MET_SHORT": "int16",
    "MET_UINT": "uint32",
    "MET_INT": "int32",
    "MET_ULONG_LONG": "uint64",
    "MET_LONG_LONG": "int64",
    "MET_FLOAT": "float32",
    "MET_DOUBLE": "float64",
}
"""The types of values; MET_LONG and MET_ULONG differ between systems."""

SYNONYMS = {
    "Position": "Offset",
    "Origin": "Offset",
    "Rotation": "TransformMatrix",
    "Orientation": "TransformMatrix",
    "BinaryDataByteOrderMSB": "ElementByteOrderMSB",
}


@dataclass(frozen=True)
class Header:
    """The lines of a header.

    Attributes:
        lines: the keys and values, in order; all keys differ.
        length: the number of bytes up to the values.
    """

    lines: Mapping[str, str]
    length: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of voxels along each axis."""
        return tuple(int(number) for number in self._needed("DimSize").split())

    @property
    def channels(self) -> int:
        """The number of values of a voxel."""
        return int(self._get("ElementNumberOfChannels", "1"))

    @property
    def depth(self) -> str:
        """The type of the values, by its NumPy name."""
        name = self._needed("ElementType").removesuffix("_ARRAY")
        if name not in DEPTHS:
            raise DataError(f"holds values of the type {name}, which is not supported", hint="save it as MET_FLOAT")
        return DEPTHS[name]

    @property
    def byte_order(self) -> str:
        """The order of bytes, as NumPy writes it."""
        return ">" if self._is("ElementByteOrderMSB") else "<"

    @property
    def compressed(self) -> bool:
        """Whether the values are compressed with zlib."""
        return self._is("CompressedData")

    @property
    def file(self) -> str:
        """The name of the file of the values."""
        name = self._needed("ElementDataFile")
        if name.startswith("LIST") or "%" in name:
            raise DataError("has its values in several files", hint="save it as one .mha file")
        return name

    @property
    def skip(self) -> int:
        """The number of bytes before the values in their file; -1 if the values are at its end."""
        return int(self._get("HeaderSize", "0"))

    @property
    def spacing(self) -> NDArray[np.float64]:
        """The distance of voxels along i, j and k in millimetres."""
        return self._numbers("ElementSpacing", self._get("ElementSize", "1 1 1"), 3)

    @property
    def offset(self) -> NDArray[np.float64]:
        """The place of the first voxel, in millimetres towards left, posterior and superior."""
        return self._numbers("Offset", "0 0 0", 3)

    @property
    def directions(self) -> NDArray[np.float64]:
        """The direction of i, j and k, one a row."""
        return self._numbers("TransformMatrix", "1 0 0 0 1 0 0 0 1", 9).reshape(3, 3)

    @property
    def scaling(self) -> tuple[float, float]:
        """Slope and intercept."""
        slope = self._get("ElementToIntensityFunctionSlope", "1")
        return float(slope), float(self._get("ElementToIntensityFunctionOffset", "0"))

    def text(self, changed: Mapping[str, str | None]) -> str:
        """Return the header with some lines changed or, if they are None, left out; the place of the values is last."""
        lines = {key: changed.get(key, value) for key, value in self.lines.items()}
        comment = {"Comment": changed["Comment"]} if "Comment" in changed else {}
        last = {key: changed[key] for key in ("CompressedDataSize", "ElementDataFile") if key in changed}
        first = {"ObjectType": lines.pop("ObjectType", "Image"), **comment}
        ordered = {**first, **{key: value for key, value in lines.items() if key not in {*first, *last}}, **last}
        return "".join(f"{key} = {value}\n" for key, value in ordered.items() if value is not None)

    def _get(self, key: str, default: str) -> str:
        names = (key, *(other for other, name in SYNONYMS.items() if name == key))
        return next((self.lines[name] for name in names if name in self.lines), default)

    def _needed(self, key: str) -> str:
        value = self._get(key, "")
        if not value:
            raise ValueError(f"its header has no {key}")
        return value

    def _is(self, key: str) -> bool:
        return self._get(key, "False").lower().startswith(("t", "1"))

    def _numbers(self, key: str, default: str, count: int) -> NDArray[np.float64]:
        numbers = np.array([float(number) for number in self._get(key, default).split()])
        if len(numbers) < count:
            raise ValueError(f"its {key} has {len(numbers)} numbers instead of {count}")
        return numbers[:count]


def read_header(path: Path) -> Header:
    """Read the header of a file.

    Raises:
        DataError: the values are stored as text.
        ValueError: it is no MetaImage header.
    """
    lines: dict[str, str] = {}
    length = 0
    with path.open("rb") as stream:
        while length < LONGEST and "ElementDataFile" not in lines:
            line = stream.readline(LONGEST)
            length += len(line)
            key, equals, value = line.decode("utf-8", "replace").partition("=")
            if not equals:
                raise ValueError("its header does not end with ElementDataFile")
            lines[key.strip()] = value.strip()
    header = Header(lines, length)
    if lines.get("BinaryData", "True").lower().startswith("f"):
        raise DataError("stores its values as text", hint="save it in binary form")
    return header
