"""Painted landscapes: reproducible, aligned, and split without overlap."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from cgkit.components.sources.seasons import Seasons

SMALL = (24, 32)


def rendered(domain, index):
    return domain[index].render()


def test_the_same_options_give_the_same_pictures():
    for first, second in zip(Seasons(SMALL, seed=5).train(), Seasons(SMALL, seed=5, train=700).train(), strict=True):
        assert (rendered(first, 3) == rendered(second, 3)).all()
        assert first[3].name == second[3].name


def test_a_second_read_returns_the_same_picture_in_new_memory():
    domain, _ = Seasons(SMALL).train()
    picture = rendered(domain, 0)
    copy = picture.copy()
    picture[:] = 0
    assert (rendered(domain, 0) == copy).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (16, 16), (64, 64), (40, 100), (100, 40), (256, 256)])
def test_pictures_are_float32_in_range_and_of_the_requested_size(size):
    for domain in Seasons(size).test():
        picture = rendered(domain, 0)
        assert picture.shape == (3, *size)
        assert picture.dtype == np.float32
        assert 0 <= picture.min() <= picture.max() <= 1


def test_test_images_are_aligned():
    summer, winter = Seasons(SMALL, test=5).test()
    assert Seasons.aligned
    assert [summer[n].name for n in range(5)] == [winter[n].name for n in range(5)]


def test_no_scene_is_in_two_splits():
    source = Seasons(SMALL, train=20, test=20)
    names = [
        record.name for domain in (*source.train(), source.test()[0]) for record in map(domain.__getitem__, range(20))
    ]
    assert len(set(names)) == 60


def test_pickled_domains_paint_the_same_pictures_without_containing_them():
    domain, _ = Seasons(SMALL).train()
    size = len(pickle.dumps(domain))
    picture = rendered(domain, 7)
    assert len(pickle.dumps(domain)) == size
    assert (rendered(pickle.loads(pickle.dumps(domain)), 7) == picture).all()
    assert (pickle.loads(pickle.dumps(domain[7])).render() == picture).all()


def test_different_domains_have_different_fingerprints():
    source = Seasons(SMALL)
    others = [Seasons((32, 24)), Seasons(SMALL, seed=1), Seasons(SMALL, train=10)]
    domains = [*source.train(), *source.test(), *(other.train()[0] for other in others)]
    assert len({domain.fingerprint() for domain in domains}) == len(domains)
    assert Seasons(SMALL, test=9).train()[0].fingerprint() == source.train()[0].fingerprint()


@pytest.mark.parametrize("index", [-1, 3])
def test_an_index_out_of_range_is_an_error(index):
    domain = Seasons(SMALL, test=3).test()[0]
    assert len(domain) == 3
    with pytest.raises(IndexError, match="3 scenes"):
        domain[index]


def test_summer_and_winter_differ_strongly():
    summer, winter = Seasons((64, 64)).test()
    distances = [-10 * np.log10(np.square(rendered(summer, n) - rendered(winter, n)).mean()) for n in range(32)]
    assert 8.5 < np.mean(distances) < 10
    assert min(distances) > 7.5
    assert max(distances) < 11.5
