"""Splits drawn by a hash of each path, and by count."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from zoo.data.split import count_split, hash_split, normal_path, split_of, stratified_split

KEYS = [f"{name}/{number}.jpg" for name in ("ant", "bee") for number in range(1000)]
LABELS = np.repeat([0, 1], 1000)


def members(keys, *rule):
    return {key: part for part, items in enumerate(hash_split(keys, *rule)) for key in np.array(keys)[items].tolist()}


def test_the_split_of_a_path_is_the_one_of_every_version():
    parts = hash_split(["ants/1.jpg", "ants/2.jpg", "bees/1.jpg", "bees/7.jpg", "bees/8.jpg"], 1998, (0.3, 0.3))
    assert [part.tolist() for part in parts] == [[4], [2, 3], [0, 1]]


def test_an_item_has_the_same_split_whatever_others_there_are():
    every = members(KEYS, 1998, (0.1, 0.1))
    for some in (KEYS[:3], KEYS[500:700], KEYS[::-1]):
        assert members(some, 1998, (0.1, 0.1)).items() <= every.items()


def test_the_shares_are_the_fractions():
    sizes = [len(part) for part in hash_split(KEYS, 1998, (0.2, 0.1))]
    assert sum(sizes) == 2000
    assert sizes == pytest.approx([1400, 400, 200], abs=60)


def test_a_larger_fraction_takes_from_train_alone():
    small, large = hash_split(KEYS, 1998, (0.1, 0.1)), hash_split(KEYS, 1998, (0.3, 0.1))
    assert set(small[1]) < set(large[1])
    assert large[2].tolist() == small[2].tolist()


def test_another_seed_draws_another_split():
    assert hash_split(KEYS, 1, (0.1, 0.1))[2].tolist() != hash_split(KEYS, 2, (0.1, 0.1))[2].tolist()


@pytest.mark.parametrize("draw", [lambda *rule: hash_split(KEYS, *rule), lambda *rule: count_split(LABELS, *rule)])
@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_folds_test_every_item_exactly_once(draw, folds):
    tested = []
    for fold in range(1, folds + 1):
        parts = draw(1998, (0.1, 0.0), (fold, folds))
        assert sorted(np.concatenate(parts).tolist()) == list(range(2000))
        assert len(parts[1]) == pytest.approx(200, abs=60)
        tested += parts[2].tolist()
    assert sorted(tested) == list(range(2000))


def test_folds_by_count_have_each_class_equally_often():
    labels = np.repeat(np.arange(4), [10, 11, 12, 13])
    tests = [count_split(labels, 0, (0.0, 0.0), (fold, 5))[2] for fold in range(1, 6)]
    assert {len(test) for test in tests} == {9, 10}
    assert all(set(np.bincount(labels[test]).tolist()) <= {2, 3} for test in tests)


def test_a_stratified_split_keeps_every_class_in_every_part():
    labels = np.repeat(np.arange(3), [100, 10, 3])
    parts = stratified_split(labels, [0.1, 0.1])
    assert sorted(np.concatenate(parts)) == list(range(113))
    assert [np.bincount(labels[part], minlength=3).tolist() for part in parts] == [[80, 8, 1], [10, 1, 1], [10, 1, 1]]
    for first, second in zip(parts, stratified_split(labels, [0.1, 0.1]), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_path_is_compared_in_unicode_nfc():
    assert normal_path(unicodedata.normalize("NFD", "bées/1.jpg")) == "bées/1.jpg"


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *[("Training", "train"), ("TRAIN", "train"), ("valid", "val"), ("dev", "val")],
        *[("Testing", "test"), ("eval", "test"), ("trained", None), ("ants", None)],
    ],
)
def test_names_of_splits_are_recognised_in_any_case(name, split):
    assert split_of(name) == split
