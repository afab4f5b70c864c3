"""Shards behind a URL: the cache, which processes share, and failures of the server."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cgkit_shards.cache import ShardReader
from cgkit_shards.download import Download
from cgkit_shards.images import ShardedImages
from cgkit_shards.index import Index, read_index
from cgkit_shards.locations import parse_location, resolve
from cgkit_shards.source import Shards

from cgkit.errors import DataError, ResourceError


def written_index(folder: Path) -> Index:
    """Return the index that is stored in a folder of shards, with relative URLs."""
    return Index.model_validate_json((folder / "index.json").read_bytes())


def used(cache: Path) -> int:
    """Return the total size of the shards in a cache, including partial downloads."""
    total = 0
    for file in cache.glob("*"):
        if file.suffix in (".tar", ".part"):
            try:
                total += file.stat().st_size
            except FileNotFoundError:
                continue
    return total


def contents(images: ShardedImages, order: Iterator[int] | range) -> dict[str, bytes]:
    records = [images[index] for index in order]
    return {record.name: record.encoded() for record in records if record.encoded is not None}


@pytest.fixture
def remote(sharded: Callable[..., Path], server: Any, tmp_path: Path) -> Callable[..., ShardedImages]:
    """Return a function that creates images of 8 shards behind a server, with a cache for `room` shards."""
    folder = sharded("a", 24)
    size = max(shard.filesize for shard in written_index(folder).shardlist)

    def make(room: float, retries: int = 0) -> ShardedImages:
        reader = ShardReader(tmp_path / "cache", int(room * size), Download(5.0, retries))
        return ShardedImages(read_index(f"{server.url}/a"), reader, 2)

    return make


def test_remote_images_equal_the_packed_ones(remote: Callable[..., ShardedImages], tmp_path: Path) -> None:
    images = remote(3)
    expected = {
        file.relative_to(tmp_path / "images" / "a").as_posix(): file.read_bytes()
        for file in (tmp_path / "images" / "a").rglob("*.png")
    }
    assert len(expected) == 24
    assert contents(images, range(24)) == expected


def test_the_cache_never_exceeds_its_limit_and_each_shard_is_downloaded_once_per_epoch(
    remote: Callable[..., ShardedImages], server: Any, tmp_path: Path
) -> None:
    images = remote(2.5)
    for number, index in enumerate(images.order(0, 3).tolist()):
        contents(images, range(index, index + 1))
        assert 0 < used(tmp_path / "cache") <= images._reader.limit, number
    assert sorted(server.shards) == [f"/a/shard-{number:06d}.tar" for number in range(8)]
    assert len(list((tmp_path / "cache").glob("*.tar"))) == 2


def test_the_least_recently_read_shard_is_evicted(
    remote: Callable[..., ShardedImages], server: Any, tmp_path: Path
) -> None:
    images = remote(2.5)
    for index in (0, 3, 0, 6, 0):  # images of shards 0, 1, 0, 2, 0: shard 2 replaces shard 1
        contents(images, range(index, index + 1))
        time.sleep(0.01)
    assert [path[-5] for path in server.shards] == ["0", "1", "2"]
    contents(images, range(3, 4))
    assert [path[-5] for path in server.shards] == ["0", "1", "2", "1"]


def _read_all(images: ShardedImages, start: int, results: multiprocessing.Queue) -> None:
    order = [(start + step) % len(images) for step in range(0, 3 * len(images), 5)]
    results.put([(images[index].name, images[index].encoded()) for index in order])  # type: ignore[misc]


@pytest.mark.parametrize("room", [1, 2.5])
def test_processes_can_share_a_cache(remote: Callable[..., ShardedImages], tmp_path: Path, room: float) -> None:
    images, context = remote(room), multiprocessing.get_context("fork")
    results: multiprocessing.Queue = context.Queue()
    processes = [context.Process(target=_read_all, args=(images, 7 * number, results)) for number in range(3)]
    for process in processes:
        process.start()
    largest = 0
    contents_read = []
    while len(contents_read) < 3:
        largest = max(largest, used(tmp_path / "cache"))
        if not results.empty():
            contents_read.append(results.get())
        assert all(process.is_alive() or process.exitcode == 0 for process in processes)
    for process in processes:
        process.join()
    assert 0 < largest <= images._reader.limit
    for name, content in itertools.chain(*contents_read):
        assert content == (tmp_path / "images" / "a" / name).read_bytes()
    assert not list((tmp_path / "cache").glob("*.part"))


def test_the_leftovers_of_a_killed_download_are_removed(remote: Callable[..., ShardedImages], tmp_path: Path) -> None:
    images = remote(2.5)
    contents(images, range(1))
    copy = next((tmp_path / "cache").glob("*.tar"))
    half = copy.read_bytes()[:100]
    # One partial file belongs to the same shard, the other to a different shard.
    copy.with_suffix(".part").write_bytes(half)
    other = tmp_path / "cache" / "0123.part"
    other.write_bytes(half)
    copy.unlink()
    assert contents(images, range(3))
    assert not list((tmp_path / "cache").glob("*.part"))


def test_a_damaged_copy_is_reported_once_and_downloaded_again(
    remote: Callable[..., ShardedImages], tmp_path: Path
) -> None:
    images = remote(2.5)
    expected = contents(images, range(3))
    copy = next((tmp_path / "cache").glob("*.tar"))
    content = bytearray(copy.read_bytes())
    content[images._offsets[1] + 20] ^= 1
    copy.write_bytes(content)
    with pytest.raises(DataError, match=r"shard http.*shard-000000\.tar is damaged: .*\.png"):
        contents(images, range(3))
    assert contents(images, range(3)) == expected


def test_a_damaged_shard_is_reported(remote: Callable[..., ShardedImages], tmp_path: Path) -> None:
    images, shard = remote(2.5), tmp_path / "data" / "a" / "shard-000000.tar"
    whole = shard.read_bytes()
    for content in (whole[:-512], whole + bytes(512)):
        shard.write_bytes(content)
        with pytest.raises(DataError, match=r"shard http.*/a/shard-000000\.tar is damaged or was replaced"):
            contents(images, range(1))
    shard.unlink()
    with pytest.raises(DataError, match=r"shard http.*/a/shard-000000\.tar cannot be downloaded: .*(?i:not found)"):
        contents(images, range(1))
    assert used(tmp_path / "cache") == 0
    shard.write_bytes(whole)
    assert contents(images, range(1))


def test_a_busy_server_is_retried_but_not_a_missing_file(
    remote: Callable[..., ShardedImages], server: Any, tmp_path: Path
) -> None:
    images = remote(2.5, retries=1)
    server.busy = 1
    assert contents(images, range(1))
    assert [path[-5] for path in server.shards] == ["0", "0"]
    (tmp_path / "data" / "a" / "shard-000003.tar").unlink()
    started = time.monotonic()
    with pytest.raises(DataError, match=r"shard-000003\.tar cannot be downloaded: .*(?i:not found)"):
        contents(images, range(9, 10))
    assert time.monotonic() - started < 0.9


def test_a_server_that_failed_is_not_retried_again(tmp_path: Path) -> None:
    listening, url = silent_server()
    listening.close()
    reader = ShardReader(tmp_path / "cache", 100, Download(0.2, 1))
    for number, tries in ((0, " (tried 2 times)"), (1, ""), (2, "")):
        with pytest.raises(DataError) as failure:
            reader.read(f"{url}/{number}.tar", 10, 0, 5)
        assert failure.value.message.endswith(f"refused{tries}")


def silent_server() -> tuple[socket.socket, str]:
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_an_unreachable_or_silent_server_is_reported_with_the_name_of_the_shard(tmp_path: Path) -> None:
    listening, url = silent_server()
    with pytest.raises(DataError, match=r"0\.tar cannot be downloaded: .*timed out"):
        ShardReader(tmp_path / "cache", 100, Download(0.2, 0)).read(f"{url}/0.tar", 10, 0, 5)
    listening.close()
    with pytest.raises(DataError, match=r"0\.tar cannot be downloaded: .*refused \(tried 2 times\)"):
        ShardReader(tmp_path / "cache", 100, Download(0.2, 1)).read(f"{url}/0.tar", 10, 0, 5)
    with pytest.raises(DataError, match=r"index\.json cannot be read: .*refused"):
        read_index(f"{url}/a")


def test_other_schemes_are_opened_by_fsspec(sharded: Callable[..., Path], tmp_path: Path) -> None:
    import fsspec  # type: ignore[import-untyped]

    folder, memory = sharded("a", 6), fsspec.filesystem("memory")
    for file in folder.iterdir():
        memory.pipe(f"/remote/a/{file.name}", file.read_bytes())
    images = ShardedImages(read_index("memory://remote/a"), ShardReader(tmp_path / "cache", 10**6, Download(5.0, 0)), 2)
    for name, content in contents(images, range(6)).items():
        assert content == (tmp_path / "images" / "a" / name).read_bytes()
    with pytest.raises(DataError, match=r"nowhere://x/0\.tar cannot be downloaded: .*nowhere"):
        ShardReader(tmp_path / "cache", 100, Download(5.0, 0)).read("nowhere://x/0.tar", 10, 0, 5)


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc").exists(), reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_a_resource_error(remote: Callable[..., ShardedImages]) -> None:
    images = remote(2.5)
    reader = ShardReader(Path("/proc/cache"), 10**6, Download(5.0, 0))
    with pytest.raises(ResourceError, match="the cache /proc/cache cannot be written: "):
        reader.read(images[0].encoded.url, images[0].encoded.filesize, 0, 5)  # type: ignore[union-attr]


def test_a_cache_too_small_for_a_window_is_rejected(sharded: Callable[..., Path], server: Any, tmp_path: Path) -> None:
    sharded("a", 24), sharded("b", 24)
    locations = {"a": f"{server.url}/a", "b": f"{server.url}/b"}
    with pytest.raises(ValueError, match=r"set data\.cache"):
        Shards((16, 16), **locations)
    with pytest.raises(ValueError, match=r"too small for .* raise cache_size or lower shuffle_shards"):
        Shards((16, 16), **locations, cache=tmp_path / "cache", cache_size=2.5e-5)
    Shards((16, 16), **locations, cache=tmp_path / "cache", cache_size=2.5e-5, shuffle_shards=1)


def test_a_remote_index_must_not_name_local_files(sharded: Callable[..., Path], server: Any) -> None:
    folder = sharded("a")
    index = written_index(folder)
    secret = index.shardlist[0].model_copy(update={"url": "file:///etc/passwd"})
    index.model_copy(update={"shardlist": [secret]}).write(folder / "index.json")
    with pytest.raises(DataError, match="names a local file: /etc/passwd"):
        read_index(f"{server.url}/a")


def test_a_url_in_a_resolved_path_is_recovered() -> None:
    assert parse_location("/specs/https:/host/a/index.json") == "https://host/a/index.json"
    assert parse_location(Path("/specs/s3:/bucket/a")) == "s3://bucket/a"
    assert parse_location("s3://bucket/a") == "s3://bucket/a"
    assert parse_location("/data/a") == "/data/a"
    assert parse_location("file:///data/a%20b") == "/data/a b"


def test_names_of_shards_are_relative_to_the_index() -> None:
    assert resolve("https://host/a/index.json", "0.tar") == "https://host/a/0.tar"
    assert resolve("https://host/a/index.json?x=1", "../b/0.tar") == "https://host/b/0.tar"
    assert resolve("s3://bucket/a/index.json", "0.tar") == "s3://bucket/a/0.tar"
    assert resolve("/data/index.json", "0.tar") == "/data/0.tar"
    assert resolve("/data/index.json", "/other/0.tar") == "/other/0.tar"
    assert resolve("/data/index.json", "gs://bucket/0.tar") == "gs://bucket/0.tar"
