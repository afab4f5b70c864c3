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

from cgkit.data.loading import Preparation, UnpairedImages, training_batches
from cgkit.data.sampling import StepBatches
from cgkit.errors import DataError
from cgkit.images.pixels import PixelFormat


def made_up(*counts: int, window: int = 2) -> ShardedImages:
    """Images of shards that are nowhere: enough to ask for their order."""
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
    images = made_up(*counts, window=window)
    for epoch in range(3):
        assert sorted(images.order(epoch, 2**63).tolist()) == list(range(sum(counts)))


@pytest.mark.parametrize("window", [1, 2, 3])
def test_the_images_of_a_window_of_shards_are_shown_together(window: int) -> None:
    images = made_up(*[5] * 9, window=window)
    order = images.order(4, 11)
    shards = order // 5
    for start in range(0, 45, 5 * window):
        assert len(shards[start : start + 5 * window].unique()) == min(window, 9 - start // 5)


def test_within_a_window_the_shards_are_mixed() -> None:
    shards = made_up(*[50] * 4, window=4).order(0, 1) // 50
    runs = 1 + int((shards[1:] != shards[:-1]).sum())
    assert runs > 100  # of 200 images in a random order, three of four follow one of another shard


def test_the_order_is_a_function_of_epoch_and_seed() -> None:
    images = made_up(6, 6, 6, 6)
    reference = images.order(3, 5).tolist()
    torch.manual_seed(1)
    images.order(2, 5)
    assert pickle.loads(pickle.dumps(images)).order(3, 5).tolist() == reference
    assert images.order(4, 5).tolist() != reference
    assert images.order(3, 6).tolist() != reference


def test_which_shards_share_a_window_differs_from_epoch_to_epoch() -> None:
    images = made_up(*[5] * 8, window=2)
    first = {frozenset((images.order(epoch, 0)[:10] // 5).tolist()) for epoch in range(20)}
    assert len(first) > 5


def test_a_subset_has_an_order_of_its_own() -> None:
    images = made_up(5, 5, 5, 5).subset(torch.tensor([1, 2, 11, 17, 18]).numpy())
    assert sorted(images.order(0, 0).tolist()) == [0, 1, 2, 3, 4]
    assert [images[index].name for index in range(5)] == ["0-1.png", "0-2.png", "2-1.png", "3-2.png", "3-3.png"]


def test_the_fingerprint_tells_images_apart_and_not_where_they_are(sharded: Callable[..., Path]) -> None:
    index = read_index(str(sharded("a")))

    def fingerprint(**changes: object) -> str:
        first = index.shardlist[0].model_copy(update=changes)
        return ShardedImages(Index(shardlist=[first, *index.shardlist[1:]]), ShardReader(), 2).fingerprint()

    names, sizes, checks = index.shardlist[0].names, index.shardlist[0].sizes, index.shardlist[0].crc32
    assert fingerprint() == fingerprint(url="https://elsewhere/0.tar")
    changed = [
        fingerprint(),
        fingerprint(names=["other.png", *names[1:]]),
        fingerprint(sizes=[sizes[0] + 1, *sizes[1:]]),
        fingerprint(crc32=[checks[0] ^ 1, *checks[1:]]),
    ]
    assert len(set(changed)) == 4


def test_asking_for_a_record_reads_no_image(sharded: Callable[..., Path]) -> None:
    folder = sharded("a")
    images = ShardedImages(read_index(str(folder)), ShardReader(), 2)
    content = images[4].encoded
    for shard in folder.glob("*.tar"):
        shard.unlink()
    assert images[4].name
    assert content is not None
    with pytest.raises(DataError, match=r"shard .*shard-000001\.tar does not exist"):
        content()


def test_a_record_can_be_pickled_and_read_elsewhere(sharded: Callable[..., Path], tmp_path: Path) -> None:
    record = ShardedImages(read_index(str(sharded("a"))), ShardReader(), 2)[5]
    arrived = pickle.loads(pickle.dumps(record))
    assert arrived.encoded() == (tmp_path / "images" / "a" / record.name).read_bytes()


def test_a_share_of_the_images_is_held_out(sharded: Callable[..., Path]) -> None:
    source = Shards((16, 16), a=sharded("a", 20), b=sharded("b", 5), held_out=0.2)
    for train, test, count in zip(source.train(), source.test(), (4, 1), strict=True):
        names = [images[index].name for images in (train, test) for index in range(len(images))]
        assert len(test) == count
        assert len(set(names)) == len(train) + len(test)
    nothing = Shards((16, 16), a=source_folder(sharded, "c"), b=source_folder(sharded, "d"), held_out=0)
    assert len(nothing.train()[0]) == len(nothing.test()[0]) == 4


def source_folder(sharded: Callable[..., Path], name: str) -> Path:
    return sharded(name, 4)


def test_aligned_tests_go_by_their_names(sharded: Callable[..., Path]) -> None:
    a, b = sharded("a", 12), sharded("b", 12)
    source = Shards((16, 16), a=a, b=b, test_a=a, test_b=b, aligned=True)
    names = [[images[index].name for index in range(12)] for images in source.test()]
    assert names[0] == names[1]
    with pytest.raises(DataError, match="stands on one only"):
        Shards((16, 16), a=a, b=b, test_a=a, test_b=sharded("c", 11), aligned=True)


def test_one_index_cannot_be_both_domains_and_one_test_set_alone_is_refused(sharded: Callable[..., Path]) -> None:
    a = sharded("a")
    with pytest.raises(DataError, match="both domains"):
        Shards((16, 16), a=a, b=str(a))
    with pytest.raises(ValueError, match="belong together"):
        Shards((16, 16), a=a, b=sharded("b"), test_a=a)


def test_workers_change_no_batch(sharded: Callable[..., Path]) -> None:
    source = Shards((16, 16), a=sharded("a", 12), b=sharded("b", 9), shuffle_shards=2)
    images = UnpairedImages(source.train(), (PixelFormat(), PixelFormat()), Preparation((16, 16)), seed=7)
    alone, together = (list(training_batches(images, StepBatches(2, 9, 3), workers=count)) for count in (0, 2))
    assert len(alone) == len(together) == 7
    for one, other in zip(alone, together, strict=True):
        assert (one.names_a, one.names_b) == (other.names_a, other.names_b)
        assert torch.equal(one.real_a, other.real_a)
        assert torch.equal(one.real_b, other.real_b)
    shown = [name for batch in alone for name in batch.names_a]
    assert len(set(shown[6:])) > 1
