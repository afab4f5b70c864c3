"""Packing and indexing, and the files that are rejected."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cgkit_shards.cache import ShardReader
from cgkit_shards.images import ShardedImages
from cgkit_shards.index import index_shards, read_index
from cgkit_shards.writing import write_shards

from cgkit.errors import DataError, UsageError


def images_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.png")}


def read_back(index: Path) -> dict[str, bytes]:
    images = ShardedImages(read_index(str(index)), ShardReader(), window=2)
    return {images[number].name: images[number].encoded() for number in range(len(images))}  # type: ignore[misc]


def tar_with(file: Path, **members: tarfile.TarInfo | bytes) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return file


def test_packed_images_are_read_back_byte_for_byte(sharded: Callable[..., Path], tmp_path: Path) -> None:
    folder = sharded("a", 13)
    expected = images_of(tmp_path / "images" / "a")
    assert len(expected) == 13
    assert len(list(folder.glob("*.tar"))) == 5
    assert read_back(folder) == expected


def test_the_same_images_give_the_same_shards(image_folder: Callable[..., Path], tmp_path: Path) -> None:
    images = image_folder("a")
    for output in ("first", "second"):
        write_shards(images, tmp_path / output, 6000)
        for file in images.rglob("*.png"):
            os.utime(file)
    first, second = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("first", "second")
    )
    assert first == second


def test_images_are_shuffled_when_packed(sharded: Callable[..., Path]) -> None:
    names = [name for shard in read_index(str(sharded("a", 30))).shardlist for name in shard.names]
    assert names != sorted(names)


def test_names_of_any_length_and_script_are_preserved(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    folder = image_folder("a", 3)
    deep = folder / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    for name in ("Füchse 狐.png", "two.dots.png", "n" * 200 + ".png"):
        (deep / name).write_bytes((folder / "image-1.png").read_bytes())
    write_shards(folder, tmp_path / "out", 6000)
    assert read_back(tmp_path / "out") == images_of(folder)


def test_existing_shards_are_indexed_and_other_files_skipped(tmp_path: Path) -> None:
    tar_with(tmp_path / "x.tar", **{"a/1.png": b"one", "a/1.json": b"{}", "./2.JPG": b"two"})
    index_shards([str(tmp_path / "x.tar")], tmp_path).write(tmp_path / "any.json")
    assert read_back(tmp_path / "any.json") == {"a/1.png": b"one", "2.JPG": b"two"}
    assert read_index(str(tmp_path / "any.json")).shardlist[0].url == str(tmp_path / "x.tar")


def test_shards_are_compatible_with_webdataset_in_both_directions(sharded: Callable[..., Path], tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    folder = sharded("a")
    shards = sorted(str(shard) for shard in folder.glob("*.tar"))
    samples = {sample["__key__"]: sample["png"] for sample in webdataset.WebDataset(shards, shardshuffle=False)}
    expected = {name.removesuffix(".png"): content for name, content in images_of(tmp_path / "images" / "a").items()}
    assert samples == expected
    with webdataset.TarWriter(str(tmp_path / "webdataset.tar"), encoder=False) as writer:
        for key, content in expected.items():
            writer.write({"__key__": key, "png": content})
    index_shards([str(tmp_path / "webdataset.tar")], tmp_path).write(tmp_path / "webdataset.json")
    assert read_back(tmp_path / "webdataset.json") == images_of(tmp_path / "images" / "a")


def link(kind: bytes, name: str, target: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


HOSTILE = {
    "a parent folder": {"../x.png": b"x"},
    "a nested parent folder": {"a/../../x.png": b"x"},
    "an absolute name": {"/tmp/cgkit-shards-hostile.png": b"x"},
    "a backslash": {"..\\x.png": b"x"},
    "a symbolic link": {"x.png": link(tarfile.SYMTYPE, "x.png", "/etc/passwd")},
    "a hard link": {"x.png": link(tarfile.LNKTYPE, "x.png", "/etc/passwd")},
    "a device": {"x.png": link(tarfile.CHRTYPE, "x.png", "")},
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_member_is_rejected_and_nothing_is_written(tmp_path: Path, members: dict[str, bytes]) -> None:
    (tmp_path / "in" / "here").mkdir(parents=True)
    tar = tar_with(tmp_path / "in" / "here" / "evil.tar", **members)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=r"evil\.tar"):
        index_shards([str(tar)], tar.parent)
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/cgkit-shards-hostile.png").exists()


@pytest.mark.parametrize("name", ["../x.png", "/tmp/x.png", ""])
def test_a_hostile_name_in_an_index_is_rejected(sharded: Callable[..., Path], name: str) -> None:
    file = sharded("a") / "index.json"
    index = json.loads(file.read_text())
    index["shardlist"][1]["names"][0] = name
    file.write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"index\.json is not an index of shards: .*not a valid name"):
        read_index(str(file))


def damage(index: dict, fault: str) -> None:
    shard = index["shardlist"][0]
    match fault:
        case "offset beyond the end":
            shard["offsets"][0] = shard["filesize"]
        case "negative offset":
            shard["offsets"][0] = -1
        case "missing size":
            shard["sizes"].pop()
        case "text instead of a number":
            shard["filesize"] = "7"
        case "other format":
            index["format"] = "other"


@pytest.mark.parametrize(
    "fault",
    ["offset beyond the end", "negative offset", "missing size", "text instead of a number", "other format"],
)
def test_a_damaged_index_is_rejected(sharded: Callable[..., Path], fault: str) -> None:
    file = sharded("a") / "index.json"
    index = json.loads(file.read_text())
    damage(index, fault)
    file.write_text(json.dumps(index))
    with pytest.raises(DataError, match="is not an index of shards"):
        read_index(str(file))


def test_the_error_for_a_missing_index_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cgkit shards index"):
        read_index(str(tmp_path))


def test_two_images_of_the_same_name_are_rejected(tmp_path: Path) -> None:
    shards = [str(tar_with(tmp_path / name, **{"1.png": b"x"})) for name in ("x.tar", "y.tar")]
    with pytest.raises(DataError, match=r"1\.png is in .*x\.tar and in .*y\.tar"):
        index_shards(shards, tmp_path)


def test_compressed_and_broken_shards_are_rejected(tmp_path: Path, sharded: Callable[..., Path]) -> None:
    whole = next(sharded("a").glob("*.tar"))
    for name, content in {"text.tar": b"no tar" * 400, "cut.tar": whole.read_bytes()[:2000]}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            index_shards([str(tmp_path / name)], tmp_path)
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as tar:
        tar.add(whole, "x.png")
    with pytest.raises(DataError, match=r"packed\.tar is not an uncompressed tar"):
        index_shards([str(tmp_path / "packed.tar")], tmp_path)


def test_a_folder_that_is_not_empty_is_not_touched(sharded: Callable[..., Path], tmp_path: Path) -> None:
    folder = sharded("a")
    with pytest.raises(UsageError, match="is not empty"):
        write_shards(tmp_path / "images" / "a", folder, 6000)


def test_the_commands_pack_and_index(image_folder: Callable[..., Path], tmp_path: Path) -> None:
    def cgkit(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cgkit", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)

    images = image_folder("a", 12)
    packed = cgkit("shards", "write", images, "out", "--shard-size", "0.006")
    assert (packed.returncode, packed.stderr) == (0, "out: 12 images in 4 shards\n")
    assert read_back(tmp_path / "out") == images_of(images)
    written = (tmp_path / "out" / "index.json").read_bytes()
    shards = sorted((tmp_path / "out").glob("*.tar"))
    assert cgkit("shards", "index", "out/index.json", *shards).returncode == 0
    assert (tmp_path / "out" / "index.json").read_bytes() == written
    missing = cgkit("shards", "write", tmp_path / "absent", "other")
    assert (missing.returncode, "Traceback" in missing.stderr) == (3, False)
