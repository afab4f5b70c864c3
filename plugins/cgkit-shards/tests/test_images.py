"""Order, fingerprint, splitting and pickling of the images of a domain."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cgkit_shards.cache import ShardReader
from cgkit_shards.images import ShardedImages
from cgkit_shards.index import Index, Shard, read_index
from cgkit_shards.source import Shards

from cgkit.data.loading import UnpairedImages, training_batches
from cgkit.data.preparation import Preparation
from cgkit.data.sampling import StepBatches
from cgkit.errors import DataError
from cgkit.images.pixels import PixelFormat


def fake_images(*counts: int, window: int = 2) -> ShardedImages:
    """Return images in shards that do not exist, for tests of the order of images."""
    shards = [
        Shard(
            url=f"{number}.tar",
            nsamples=count,
            filesize=count,
            names=[f"{number}-{image}.png" for image in range(count)],
            offsets=list(range(count)),
            sizes=[1] * count,
            crc32=[0] * count,
        )
        for number, count in enumerate(counts)
    ]
    return ShardedImages(Index(shardlist=shards), ShardReader(), window)


@pytest.mark.parametrize("counts", [(1,), (5,), (4, 4, 4, 4), (7, 1, 30, 2, 9), (3, 0, 2)])
@pytest.mark.parametrize("window", [1, 2, 3, 50])
def test_every_epoch_shows_every_image_once(counts: tuple[int, ...], window: int) -> None:
    images = fake_images(*counts, window=window)
    for epoch in range(3):
        assert sorted(images.order(epoch, 2**63).tolist()) == list(range(sum(counts)))


@pytest.mark.parametrize("window", [1, 2, 3])
def test_the_images_of_a_window_are_shown_together(window: int) -> None:
    images = fake_images(*[5] * 9, window=window)
    order = images.order(4, 11)
    shards = order // 5
    for start in range(0, 45, 5 * window):
        assert len(shards[start : start + 5 * window].unique()) == min(window, 9 - start // 5)


def test_the_shards_of_a_window_are_mixed() -> None:
    shards = fake_images(*[50] * 4, window=4).order(0, 1) // 50
    runs = 1 + int((shards[1:] != shards[:-1]).sum())
    assert runs > 100  # in random order, three in four images follow one from another shard


def test_the_order_depends_on_epoch_and_seed_alone() -> None:
    images = fake_images(6, 6, 6, 6)
    reference = images.order(3, 5).tolist()
    torch.manual_seed(1)
    images.order(2, 5)
    assert pickle.loads(pickle.dumps(images)).order(3, 5).tolist() == reference
    assert images.order(4, 5).tolist() != reference
    assert images.order(3, 6).tolist() != reference


def test_windows_contain_different_shards_in_each_epoch() -> None:
    images = fake_images(*[5] * 8, window=2)
    first = {frozenset((images.order(epoch, 0)[:10] // 5).tolist()) for epoch in range(20)}
    assert len(first) > 5


def test_a_subset_has_its_own_order() -> None:
    images = fake_images(5, 5, 5, 5).subset(torch.tensor([1, 2, 11, 17, 18]).numpy())
    assert sorted(images.order(0, 0).tolist()) == [0, 1, 2, 3, 4]
    assert [images[index].name for index in range(5)] == ["0-1.png", "0-2.png", "2-1.png", "3-2.png", "3-3.png"]


def test_the_fingerprint_depends_on_the_images_but_not_on_their_location(sharded: Callable[..., Path]) -> None:
    index = read_index(str(sharded("a")))

    def fingerprint(**changes: object) -> str:
        first = index.shardlist[0].model_copy(update=changes)
        return ShardedImages(Index(shardlist=[first, *index.shardlist[1:]]), ShardReader(), 2).fingerprint()

    names, sizes, checksums = index.shardlist[0].names, index.shardlist[0].sizes, index.shardlist[0].crc32
    assert fingerprint() == fingerprint(url="https://elsewhere/0.tar")
    changed = [
        fingerprint(),
        fingerprint(names=["other.png", *names[1:]]),
        fingerprint(sizes=[sizes[0] + 1, *sizes[1:]]),
        fingerprint(crc32=[checksums[0] ^ 1, *checksums[1:]]),
    ]
    assert len(set(changed)) == 4


def test_getting_a_record_reads_no_image(sharded: Callable[..., Path]) -> None:
    folder = sharded("a")
    images = ShardedImages(read_index(str(folder)), ShardReader(), 2)
    content = images[4].encoded
    for shard in folder.glob("*.tar"):
        shard.unlink()
    assert images[4].name
    assert content is not None
    with pytest.raises(DataError, match=r"shard .*shard-000001\.tar does not exist"):
        content()


def test_a_pickled_record_can_be_read(sharded: Callable[..., Path], tmp_path: Path) -> None:
    record = ShardedImages(read_index(str(sharded("a"))), ShardReader(), 2)[5]
    unpickled = pickle.loads(pickle.dumps(record))
    assert unpickled.encoded() == (tmp_path / "images" / "a" / record.name).read_bytes()


def test_a_share_of_the_images_is_held_out(sharded: Callable[..., Path]) -> None:
    source = Shards((16, 16), a=sharded("a", 20), b=sharded("b", 5), held_out=0.2)
    for train, test, count in zip(source.train(), source.test(), (4, 1), strict=True):
        names = [images[index].name for images in (train, test) for index in range(len(images))]
        assert len(test) == count
        assert len(set(names)) == len(train) + len(test)
    nothing_held_out = Shards((16, 16), a=sharded("c", 4), b=sharded("d", 4), held_out=0)
    assert len(nothing_held_out.train()[0]) == len(nothing_held_out.test()[0]) == 4


def test_aligned_test_images_are_paired_by_name(sharded: Callable[..., Path]) -> None:
    a, b = sharded("a", 12), sharded("b", 12)
    source = Shards((16, 16), a=a, b=b, test_a=a, test_b=b, aligned=True)
    names = [[images[index].name for index in range(12)] for images in source.test()]
    assert names[0] == names[1]
    with pytest.raises(DataError, match="occurs in only one"):
        Shards((16, 16), a=a, b=b, test_a=a, test_b=sharded("c", 11), aligned=True)


def test_equal_domains_and_a_single_test_index_are_rejected(sharded: Callable[..., Path]) -> None:
    a = sharded("a")
    with pytest.raises(DataError, match="both domains"):
        Shards((16, 16), a=a, b=str(a))
    with pytest.raises(ValueError, match="belong together"):
        Shards((16, 16), a=a, b=sharded("b"), test_a=a)


def test_the_number_of_workers_does_not_change_the_batches(sharded: Callable[..., Path]) -> None:
    source = Shards((16, 16), a=sharded("a", 12), b=sharded("b", 9), shuffle_shards=2)
    images = UnpairedImages(source.train(), (PixelFormat(), PixelFormat()), (Preparation((16, 16)),) * 2, seed=7)
    batches, expected = (list(training_batches(images, StepBatches(2, 9, 3), workers=count)) for count in (2, 0))
    assert len(batches) == len(expected) == 7
    for batch, reference in zip(batches, expected, strict=True):
        assert (batch.names_a, batch.names_b) == (reference.names_a, reference.names_b)
        assert torch.equal(batch.real_a, reference.real_a)
        assert torch.equal(batch.real_b, reference.real_b)
    shown = [name for batch in batches for name in batch.names_a]
    assert len(set(shown[6:])) > 1
