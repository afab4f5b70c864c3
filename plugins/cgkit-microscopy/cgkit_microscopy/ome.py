"""The OME-XML of a translation: that of its source, as far as it is still true and names no person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from cgkit.errors import DataError

NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
MICROMETRES = {"nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6, "Å": 1e-4, "pm": 1e-6}
"""Units of length, in micrometres. OME writes the micro sign; some programs write a Greek mu."""

_PERSONAL = (
    "Experimenter",
    "ExperimenterGroup",
    "Project",
    "Dataset",
    "Description",
    "StructuredAnnotations",
    "Folder",
)
"""Elements in which people, or patients, may be named."""

_OTHERS = ("Experiment", "Plate", "Screen", "Rights", "BinaryOnly")
"""Elements that are about more than this image."""

_TYPES = {"float32": "float", "float64": "double", "bool": "bit"}


@dataclass(frozen=True)
class Content:
    """What a translation holds.

    Attributes:
        depth: the type of its values, by its NumPy name.
        axes: the axes of its pages, slowest first, without rows and columns: `TZC`.
        lengths: the length of each axis.
        kept: the channels of the source, from 0, to which its channels correspond; None if they do not.
        samples: 3 if pixels are red, green and blue.
    """

    depth: str
    axes: str
    lengths: Mapping[str, int]
    kept: tuple[int, ...] | None
    samples: int = 1

    @property
    def channels(self) -> int:
        """The number of channels of which each is a plane of its own."""
        return self.lengths.get("C", 1)

    @property
    def pages(self) -> int:
        """The number of planes."""
        count = 1
        for length in self.lengths.values():
            count *= length
        return count


def channel_names(xml: str, number: int = 0) -> tuple[str, ...]:
    """Return the names of the channels of an image; an empty one if a channel has none."""
    pixels = _pixels_of(_parse(xml), number)
    return tuple(channel.get("Name", "") for channel in pixels.findall(f"{_prefix(pixels)}Channel"))


def micrometres(xml: str, number: int = 0) -> tuple[float, float] | None:
    """Return the width and the height of a pixel of an image in micrometres; None if the file does not say."""
    pixels = _pixels_of(_parse(xml), number)
    sizes = []
    for axis in "XY":
        unit = MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        try:
            sizes.append(float(pixels.get(f"PhysicalSize{axis}", "")) * (unit or 0))
        except ValueError:
            return None
    return (sizes[0], sizes[1]) if min(sizes) > 0 else None


def describe(content: Content, width: int, height: int, pixel: tuple[float, float] | None) -> bytes:
    """Return the OME-XML of an image of which nothing is known besides the size of its pixels in micrometres."""
    root = Element(f"{{{NAMESPACE}}}OME")
    image = SubElement(root, f"{{{NAMESPACE}}}Image", ID="Image:0")
    pixels = SubElement(image, f"{{{NAMESPACE}}}Pixels", ID="Pixels:0")
    if pixel is not None:
        _set_pixel_size(pixels, pixel)
    _set_content(pixels, content, width, height)
    return _written(root)


def revise(
    xml: str,
    content: Content,
    number: int = 0,
    *,
    keep_names: bool,
    size: tuple[int, int] | None = None,
    pixel: tuple[float, float] | None = None,
) -> tuple[bytes, list[str]]:
    """Return the OME-XML of a translation, and a sentence on each thing that is left out.

    Args:
        xml: the OME-XML of the source.
        content: what the translation holds.
        number: the number of the image that was translated, among those of the source.
        keep_names: whether to keep elements in which people may be named.
        size: its width and height, if not those of the source.
        pixel: the width and height of its pixels in micrometres, if not those of the source.

    Raises:
        DataError: it is not as OME-XML must be.
    """
    root = _parse(xml)
    removed = _remove(root, _OTHERS if keep_names else (*_PERSONAL, *_OTHERS))
    remarks = [f"its OME metadata is kept without {', '.join(removed)}"] if removed else []
    for attribute in ("UUID", "Creator"):
        root.attrib.pop(attribute, None)
    pixels = _pixels_of(root, number)
    prefix = _prefix(pixels)
    for image in root.findall(f"{prefix}Image"):
        if image.find(f"{prefix}Pixels") is not pixels:
            root.remove(image)
    if pixel is not None:
        _set_pixel_size(pixels, pixel)
    width, height = size or (int(pixels.get("SizeX", 0)), int(pixels.get("SizeY", 0)))
    remarks += _keep_channels(pixels, content)
    _set_content(pixels, content, width, height)
    return _written(root), remarks


def _parse(xml: str) -> Element:
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:  # entities can expand to any size
        raise DataError("has OME metadata with a document type, which is not supported")
    try:
        return ElementTree.fromstring(xml.encode())
    except ElementTree.ParseError as error:
        raise DataError(f"has OME metadata that is not valid XML: {error}") from error


def _prefix(element: Element) -> str:
    return element.tag[: element.tag.index("}") + 1] if element.tag.startswith("{") else ""


def _pixels_of(root: Element, number: int) -> Element:
    """Return the description of an image."""
    found = root.findall(f"{_prefix(root)}Image/{_prefix(root)}Pixels")
    if number >= len(found):
        raise DataError("has OME metadata that does not describe its pixels")
    return found[number]


def _remove(root: Element, names: Sequence[str]) -> list[str]:
    """Remove elements of these names, and references to them; return the names of those found."""
    found = []
    gone = {*names, *(f"{name}Ref" for name in names)} | (
        {"AnnotationRef"} if "StructuredAnnotations" in names else set()
    )
    for parent in list(root.iter()):
        for child in list(parent):
            name = child.tag.rpartition("}")[2]
            if name in gone:
                parent.remove(child)
                found += [name] if name in names else []
    return list(dict.fromkeys(found))


def _keep_channels(pixels: Element, content: Content) -> list[str]:
    """Keep the channels and planes that the translation has as well, and describe new channels."""
    prefix = _prefix(pixels)
    channels, planes = pixels.findall(f"{prefix}Channel"), pixels.findall(f"{prefix}Plane")
    for element in (*channels, *planes, *pixels.findall(f"{prefix}TiffData")):
        pixels.remove(element)
    if content.kept is None:
        new = [Element(f"{prefix}Channel", ID=f"Channel:0:{number}") for number in range(content.channels)]
        lost = ["the names and properties of its channels are left out, since the translation has others"]
    else:
        new = [channels[index] for index in content.kept if index < len(channels)]
        lost = []
    for channel in new:
        channel.set("SamplesPerPixel", str(content.samples))
    pixels.extend(new)
    # The first channel's times and positions are those of new channels, too.
    places = {old: index for index, old in enumerate(content.kept or (0,))}
    SubElement(pixels, f"{prefix}TiffData", IFD="0", PlaneCount=str(content.pages))
    for plane in planes:
        if (channel_of := int(plane.get("TheC", 0))) in places:
            plane.set("TheC", str(places[channel_of]))
            pixels.append(plane)
    return lost if channels else []


def _set_content(pixels: Element, content: Content, width: int, height: int) -> None:
    prefix = _prefix(pixels)
    for attribute in ("SignificantBits", "Interleaved", "BigEndian", "MetadataOnly"):
        pixels.attrib.pop(attribute, None)
    order = "XY" + "".join(reversed(content.axes))
    sizes = {axis: content.lengths.get(axis, 1) for axis in "ZCT"}
    changed: dict[str, Any] = {
        "DimensionOrder": order + "".join(axis for axis in "CZT" if axis not in order),
        "Type": _TYPES.get(content.depth, content.depth),
        "BigEndian": "false",
        "SizeX": width,
        "SizeY": height,
        "SizeZ": sizes["Z"],
        "SizeC": sizes["C"] * content.samples,
        "SizeT": sizes["T"],
    }
    if content.samples > 1:
        changed["Interleaved"] = "true"
    for name, value in changed.items():
        pixels.set(name, str(value))
    if pixels.find(f"{prefix}Channel") is None:
        for number in range(content.channels):
            attributes = {"ID": f"Channel:0:{number}", "SamplesPerPixel": str(content.samples)}
            pixels.insert(number, Element(f"{prefix}Channel", attributes))
    if pixels.find(f"{prefix}TiffData") is None:
        SubElement(pixels, f"{prefix}TiffData", IFD="0", PlaneCount=str(content.pages))


def _set_pixel_size(pixels: Element, pixel: tuple[float, float]) -> None:
    for axis, size in zip("XY", pixel, strict=True):
        pixels.set(f"PhysicalSize{axis}", f"{size:.9g}")
        pixels.set(f"PhysicalSize{axis}Unit", "µm")


def _written(root: Element) -> bytes:
    """Return the XML in ASCII, as TIFF requires."""
    ElementTree.register_namespace("", _prefix(root).strip("{}") or NAMESPACE)
    text: bytes = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True)
    return text
