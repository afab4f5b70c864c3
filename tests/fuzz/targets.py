"""What is fuzzed: for each kind of file, intact examples, and the function that reads it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from cgkit.display.reporter import Silence
from cgkit.plugins import Plugins, load_plugins

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        name: the name of the damaged file, with the suffix.
        examples: returns intact files, given a folder to work in.
        read: reads a damaged file.
        folder: returns the folder of the damaged file, given a folder to work in, which is the default.
        starts_a_process: whether each reading takes about two seconds.
    """

    name: str
    examples: Callable[[Path], Sequence[bytes]]
    read: Callable[[Path], object]
    folder: Callable[[Path], Path] = lambda folder: folder
    starts_a_process: bool = False


@cache
def _plugins() -> Plugins:
    return load_plugins(installed=False)


def _pixels(depth: str = "uint8", channels: int = 3) -> Any:
    values = np.random.default_rng(0).integers(0, 256, (24, 17, channels))
    return values.astype(depth)[..., 0] if channels == 1 else values.astype(depth)


def _save(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(_pixels())).save(file, kind, **options)
    return file.getvalue()


def _png(folder: Path) -> list[bytes]:
    palette = Image.fromarray(_pixels()).quantize(16)
    deep = Image.fromarray(_pixels("uint16", 1))
    return [_save("PNG"), _save("PNG", palette, transparency=3), _save("PNG", deep), _save("PNG", dpi=(72, 72))]


def _jpeg(folder: Path) -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x9003] = "2026:01:01 00:00:00"
    cmyk = Image.fromarray(_pixels(channels=4), "CMYK")
    return [_save("JPEG", exif=exif), _save("JPEG", progressive=True), _save("JPEG", cmyk)]


def _tiff(folder: Path) -> list[bytes]:
    import tifffile

    contents = [_save("TIFF"), _save("TIFF", compression="tiff_lzw")]
    for options in (
        {"data": _pixels("uint16"), "compression": "zlib", "predictor": True},
        {"data": _pixels("float32", 1), "tile": (16, 16)},
        {"data": _pixels("uint8", 4), "bigtiff": True, "extrasamples": ["unassalpha"], "photometric": "rgb"},
        {"data": np.stack([_pixels(channels=1)] * 3), "metadata": {"axes": "CYX"}, "ome": True},
    ):
        file = io.BytesIO()
        tifffile.imwrite(file, **options)
        contents.append(file.getvalue())
    return contents


def _npy(folder: Path) -> list[bytes]:
    contents = []
    for depth, channels in (("uint8", 3), ("float32", 1), (">u2", 3)):
        file = io.BytesIO()
        np.save(file, _pixels(depth, channels))
        contents.append(file.getvalue())
    return contents


def _npz(folder: Path) -> list[bytes]:
    contents = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, image=_pixels())
        contents.append(file.getvalue())
    return contents


def _others(kind: str, **options: Any) -> Callable[[Path], list[bytes]]:
    return lambda folder: [_save(kind, **options)]


def _read_image(file: Path) -> None:
    from cgkit.errors import DataError
    from cgkit.images.admission import admitted, inspect_image
    from cgkit.images.pixels import PixelFormat
    from cgkit.images.reading import read_image

    for pixels in (PixelFormat(), PixelFormat(range=(0, 255), depth="uint16", pages=True)):
        try:
            inspect_image(file, pixels)
            read_image(file, pixels)
            with admitted(file, pixels) as image:
                image.decode()
                image.carry()
        except DataError:
            if pixels.pages:
                raise


def _specs(folder: Path) -> list[bytes]:
    names = ("seasons", "folder", "horse2zebra", "mixed")
    return [(ROOT / "examples" / f"{name}.toml").read_bytes() for name in names]


def _read_spec(file: Path) -> None:
    from cgkit.spec import load_spec

    load_spec(file, _plugins())


def _overrides(folder: Path) -> list[bytes]:
    return [
        b"train.steps=200",
        b'generator={name="resnet",blocks=3}',
        b"objective.cycle=0.5",
        b"data.size=[64,32]",
        b'augmentation=[{name="flip"}]',
    ]


def _read_override(file: Path) -> None:
    from cgkit.spec import load_spec

    load_spec(ROOT / "examples" / "seasons.toml", _plugins(), [file.read_bytes().decode(errors="surrogateescape")])


@cache
def _train(folder: Path) -> Path:
    """Train a few steps, and return the run folder."""
    import cgkit

    spec = {
        "name": "fuzzed",
        "data": {"source": "seasons", "size": 16, "train": 4, "test": 2, "workers": 0},
        "generator": {"name": "resnet", "width": 4, "blocks": 1},
        "discriminator": {"name": "patch", "width": 4, "layers": 1},
        "train": {"steps": 2, "precision": "fp32"},
        "samples": {"count": 1},
        "evaluation": {"count": 2},
    }
    cgkit.run(spec, output=folder / "run", reporter=Silence(), plugins=_plugins())
    return folder / "run"


def _model(folder: Path) -> Path:
    return _train(folder) / "model"


def _checkpoint(folder: Path) -> Path:
    return next((_train(folder) / "checkpoints").glob("step-*"))


def _file(place: Callable[[Path], Path], name: str) -> Callable[[Path], list[bytes]]:
    return lambda folder: [(place(folder) / name).read_bytes()]


def _read_model(file: Path) -> None:
    from cgkit.models.folder import read_model

    read_model(file.parent, _plugins())


def _read_tensors(file: Path) -> None:
    from cgkit.exchange.foreign_files import read_foreign

    read_foreign(file)


def _read_checkpoint(file: Path) -> None:
    from cgkit.checkpoints import read_checkpoint

    read_checkpoint(file.parent)


def _pickles(folder: Path) -> list[bytes]:
    state = torch.nn.Conv2d(2, 2, 3).state_dict()
    contents = []
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        file = io.BytesIO()
        torch.save({"state_dict": state, "epoch": 3}, file, **options)
        contents.append(file.getvalue())
    return contents


def _json_lines(folder: Path) -> list[bytes]:
    return [b"".join(json.dumps({"step": step, "loss": 0.5}).encode() + b"\n" for step in range(8))]


def _read_json_lines(file: Path) -> None:
    from cgkit.files.json_lines import read_record, rewind

    read_record(file)
    rewind(file, 4)


def _videos(folder: Path) -> list[bytes]:
    import av

    contents = []
    for container, codec in (("mp4", "mpeg4"), ("matroska", "ffv1"), ("avi", "mjpeg")):
        file = io.BytesIO()
        with av.open(file, "w", format=container) as output:
            stream = output.add_stream(codec, rate=5)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for _ in range(3):
                output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
            output.mux(stream.encode(None))
        contents.append(file.getvalue())
    return contents


def _read_video(file: Path) -> None:
    from cgkit.translation.clips import open_clip

    with open_clip(file) as clip:
        for _ in _first(clip.frames(lambda packet: None), 20):
            pass


def _first(frames: Iterator[Any], count: int) -> Iterator[Any]:
    return (frame for _, frame in zip(range(count), frames, strict=False))


def _shards(folder: Path) -> list[bytes]:
    import tarfile

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in ("a.png", "folder/b.jpg"):
            content = _save("PNG")
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return [file.getvalue()]


def _import_shards() -> Any:
    sys.path.insert(0, str(ROOT / "plugins" / "cgkit-shards"))
    import cgkit_shards.index

    return cgkit_shards.index


def _read_shard(file: Path) -> None:
    _import_shards().index_shards([str(file)], file.parent)


def _indices(folder: Path) -> list[bytes]:
    (shard := folder / "shard.tar").write_bytes(_shards(folder)[0])
    return [_import_shards().index_shards([str(shard)], folder).model_dump_json().encode()]


def _read_index(file: Path) -> None:
    _import_shards().read_index(str(file))


TARGETS: dict[str, Target] = {
    "png": Target("image.png", _png, _read_image),
    "jpeg": Target("image.jpg", _jpeg, _read_image),
    "tiff": Target("image.tif", _tiff, _read_image),
    "webp": Target("image.webp", _others("WEBP", lossless=True), _read_image),
    "gif": Target("image.gif", _others("GIF"), _read_image),
    "bmp": Target("image.bmp", _others("BMP"), _read_image),
    "ppm": Target("image.ppm", _others("PPM"), _read_image),
    "jpeg-2000": Target("image.jp2", _others("JPEG2000"), _read_image),
    "avif": Target("image.avif", _others("AVIF"), _read_image),
    "npy": Target("image.npy", _npy, _read_image),
    "npz": Target("image.npz", _npz, _read_image),
    "video": Target("video.mp4", _videos, _read_video),
    "spec": Target("spec.toml", _specs, _read_spec),
    "override": Target("override", _overrides, _read_override),
    "model": Target("config.json", _file(_model, "config.json"), _read_model, _model),
    "weights": Target("weights.safetensors", _file(_model, "model.safetensors"), _read_tensors),
    "pickle": Target("weights.pth", _pickles, _read_tensors, starts_a_process=True),
    "manifest": Target("MANIFEST.json", _file(_checkpoint, "MANIFEST.json"), _read_checkpoint, _checkpoint),
    "json-lines": Target("metrics.jsonl", _json_lines, _read_json_lines),
    "shard": Target("shard.tar", _shards, _read_shard),
    "shard-index": Target("index.json", _indices, _read_index),
}
