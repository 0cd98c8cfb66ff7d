"""Splits: complete, stratified, fair to tiny classes, never through a group, and stable as files come and go."""

import hashlib

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data.splits import folds, join_equal, split_by_item, split_hash, split_named, split_rows

SHARES = (0.7, 0.1, 0.2)


def names(count: int, prefix: str = "clip") -> list[str]:
    return [f"{prefix}{number:04d}" for number in range(count)]


def side_of(clip_ids, split) -> dict[str, str]:
    return {clip_ids[index]: side for side, indices in split.items() for index in indices}


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_a_split_is_complete_disjoint_and_sorted(count):
    split = split_by_item(names(count), [number % 3 for number in range(count)], SHARES, seed=1)
    assert sorted(np.concatenate(list(split.values())).tolist()) == list(range(count))
    for indices in split.values():
        assert indices.dtype == np.int64 and (np.diff(indices) > 0).all()


@pytest.mark.parametrize(
    ("count", "fractions", "sizes"),
    [
        (1, SHARES, (1, 0, 0)),
        (2, SHARES, (1, 0, 1)),
        (2, (0.9, 0.1, 0.0), (1, 1, 0)),
        (2, (0.9, 0.0, 0.1), (1, 0, 1)),
        (3, (0.9, 0.05, 0.05), (1, 1, 1)),
        (3, (1.0, 0.0, 0.0), (3, 0, 0)),
        (20, (0.7, 0.1, 0.2), (14, 2, 4)),
        (10, (0.8, 0.1, 0.1), (8, 1, 1)),
        (100, (0.5, 0.25, 0.25), (50, 25, 25)),
    ],
)
def test_sizes_within_one_class(count, fractions, sizes):
    split = split_by_item(names(count), [0] * count, fractions, seed=3)
    assert tuple(len(split[side]) for side in ("train", "val", "test")) == sizes


def test_each_class_is_split_by_the_same_shares_and_their_total_holds_over_many_small_classes():
    labels = [number % 60 for number in range(60 * 13)]  # 0.8 * 13 and 0.1 * 13 are no whole numbers.
    split = split_by_item(names(len(labels)), labels, (0.8, 0.1, 0.1), seed=0)
    for side, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        per_class = np.bincount([labels[index] for index in split[side]], minlength=60)
        assert np.abs(per_class - 13 * share).max() < 2
        # Rounding every class alike would give val 2 and test 1 of 13 throughout: 120 and 60 for 78 each.
        assert abs(len(split[side]) - len(labels) * share) < 15


def test_the_order_of_the_items_does_not_matter_and_the_seed_does():
    clip_ids, labels = names(40), [number % 4 for number in range(40)]
    shuffled = np.random.default_rng(0).permutation(40)
    first = side_of(clip_ids, split_by_item(clip_ids, labels, SHARES, seed=5))
    moved = [clip_ids[index] for index in shuffled]
    assert side_of(moved, split_by_item(moved, [labels[index] for index in shuffled], SHARES, seed=5)) == first
    assert side_of(clip_ids, split_by_item(clip_ids, labels, SHARES, seed=6)) != first


def test_the_order_is_that_of_the_hash():
    clip_ids = names(10)
    by_hash = sorted(clip_ids, key=lambda name: hashlib.sha256(f"4 item {name}".encode()).digest())
    split = split_by_item(clip_ids, [0] * 10, (0.7, 0.1, 0.2), seed=4)
    assert {clip_ids[index] for index in split["train"]} == set(by_hash[:7])
    assert [clip_ids[index] for index in split["val"]] == [by_hash[7]]


def test_a_new_file_moves_at_most_one_item_over_each_cut_and_none_of_other_classes():
    """A split by a seeded shuffle of all items fails this by far."""
    clip_ids, labels = names(60), [number % 2 for number in range(60)]
    before = side_of(clip_ids, split_by_item(clip_ids, labels, SHARES, seed=2))
    for number in range(20):
        added = f"new{number}"
        after = side_of([*clip_ids, added], split_by_item([*clip_ids, added], [*labels, 1], SHARES, seed=2))
        changed = [name for name in clip_ids if before[name] != after[name]]
        assert len(changed) <= 2
        assert all(labels[clip_ids.index(name)] == 1 for name in changed)


def test_a_group_never_straddles():
    count = 90
    groups = [f"film{number % 17}" for number in range(count)]
    labels = [number % 17 % 3 for number in range(count)]
    split = split_by_item(names(count), labels, (0.6, 0.2, 0.2), seed=0, groups=groups)
    sides = side_of(groups, split)
    for side, indices in split.items():
        assert len(indices) > 0
        assert all(sides[groups[index]] == side for index in indices)
    alone = split_by_item(names(count), labels, (0.6, 0.2, 0.2), seed=0)
    assert {groups[index] for index in alone["train"]} & {groups[index] for index in alone["test"]}


def test_folds_test_every_item_once_and_keep_the_classes_apart():
    labels = [0] * 21 + [1] * 9 + [2] * 3
    pairs = folds(names(33), labels, 5, seed=0)
    tested = np.concatenate([test for _, test in pairs])
    assert sorted(tested.tolist()) == list(range(33))
    assert sorted(len(test) for _, test in pairs) == [6, 6, 7, 7, 7]
    for train, test in pairs:
        assert sorted([*train, *test]) == list(range(33))
        counts = np.bincount(np.array(labels)[test], minlength=3)
        assert counts[0] in (4, 5) and counts[1] in (1, 2) and counts[2] in (0, 1)


def test_folds_keep_groups_whole_and_leave_no_fold_empty():
    groups = [number // 2 for number in range(12)]
    pairs = folds(names(12), [number // 6 for number in range(12)], 6, seed=0, groups=groups)
    for train, test in pairs:
        assert len(test) == 2
        assert not {groups[index] for index in train} & {groups[index] for index in test}


def test_split_hash_names_the_set_of_items():
    clip_ids = ["a", "bc", "ab", "c"]
    digest = split_hash(clip_ids, [0, 1])
    assert len(digest) == 16 and int(digest, 16) >= 0
    assert split_hash(clip_ids, [1, 0]) == digest
    assert split_hash(["bc", "a"], [0, 1]) == digest
    assert split_hash(clip_ids, [2, 3]) != digest  # The names joined end to end are the same.
    framed = b"".join(len(name).to_bytes(8, "big") + name for name in (b"a", b"bc"))
    assert digest == hashlib.sha256(framed).hexdigest()[:16]


@pytest.mark.parametrize("fractions", [(0.0, 0.5, 0.5), (0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (0.5, 0.5)])
def test_impossible_shares_are_refused(fractions):
    with pytest.raises(UserError, match="fractions"):
        split_by_item(names(4), [0] * 4, fractions, seed=0)


def test_ambiguous_items_and_impossible_folds_are_refused():
    with pytest.raises(UserError, match="unique"):
        split_by_item(["a", "a"], [0, 0], SHARES, seed=0)
    with pytest.raises(UserError, match="labels"):
        split_by_item(["a", "b"], [0], SHARES, seed=0)
    for count in (1, 5):
        with pytest.raises(UserError, match="folds"):
            folds(names(4), [0] * 4, count, seed=0)


SHARES_OF_A_RUN = (0.6, 0.15, 0.25)


def sizes(parts) -> list[int]:
    return [len(parts[name]) for name in ("train", "val", "test")]


def drawn(labels, groups=None, stated=None, fractions=SHARES_OF_A_RUN, seed=0):
    ids = names(len(labels))
    blank = [""] * len(labels)
    return split_rows(ids, np.asarray(labels), groups or blank, stated or blank, fractions, seed)


def test_classes_of_some_size_are_split_within_each():
    labels = [number % 4 for number in range(40)]
    parts = drawn(labels)
    expected = split_by_item(names(40), labels, SHARES_OF_A_RUN, 0)
    assert all(np.array_equal(parts[name], expected[name]) for name in parts)
    assert set(np.array(labels)[parts["test"]]) == {0, 1, 2, 3}


def test_a_class_for_every_clip_is_split_over_all():
    labels = list(range(40))
    assert sizes(split_by_item(names(40), labels, SHARES_OF_A_RUN, 0)) == [40, 0, 0]
    parts = drawn(labels)
    assert sizes(parts) == [24, 6, 10]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(40))


def test_items_of_several_classes_are_split_by_the_first_one():
    labels = np.array([number % 4 for number in range(40)])
    several = np.eye(4, dtype=bool)[labels]
    several[:, 3] = True  # Everything is also of the last class.
    one, other = drawn(labels), drawn(several)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_groups_stay_whole_and_groups_of_one_change_nothing():
    labels = [number // 5 % 4 for number in range(200)]
    captions_of = [f"{number // 5}.mp4" for number in range(200)]
    parts = drawn(labels, captions_of)
    sides = {name: {captions_of[row] for row in rows} for name, rows in parts.items()}
    assert not sides["train"] & sides["test"] and not sides["train"] & sides["val"] and not sides["val"] & sides["test"]
    assert sizes(parts) == [5 * len(sides[name]) for name in ("train", "val", "test")]
    alone = drawn(labels, [f"{number}.mp4" for number in range(200)])
    plain = drawn(labels)
    assert all(np.array_equal(alone[name], plain[name]) for name in alone)


def test_small_classes_of_groups_are_split_over_all_groups():
    """Eight films of five clips, each film a class: within classes everything would train."""
    films = [f"film{number // 5}" for number in range(40)]
    labels = [number // 5 for number in range(40)]
    assert sizes(drawn(labels, films, fractions=(0.5, 0.25, 0.25))) == [20, 10, 10]


def test_a_stated_split_is_taken_and_only_lacks_what_it_does_not_state():
    stated = ["train"] * 30 + ["val"] * 4 + ["test"] * 6
    parts = drawn([0] * 40, stated=stated)
    assert [parts[name].tolist() for name in ("train", "val", "test")] == [
        list(range(30)),
        list(range(30, 34)),
        list(range(34, 40)),
    ]
    without = drawn([0, 1] * 20, stated=["train"] * 30 + ["test"] * 10)
    assert without["test"].tolist() == list(range(30, 40))
    assert sizes(without) == [24, 6, 10]  # 0.15 of 0.75 is a fifth of 30.
    assert set(np.array([0, 1] * 20)[without["val"]]) == {0, 1}
    assert sizes(drawn([0] * 40, stated=["train"] * 30 + ["test"] * 10, fractions=(0.7, 0.0, 0.3))) == [30, 0, 10]


def test_a_split_that_is_stated_in_part_or_through_a_group_is_refused():
    with pytest.raises(UserError, match="Item clip0002 states no split while others do"):
        drawn([0] * 3, stated=["train", "test", ""])
    with pytest.raises(UserError, match=r"clip0000 and clip0002 belong together \(x.mp4\).* train and the other in t"):
        drawn([0] * 3, ["x.mp4", "y.mp4", "x.mp4"], ["train", "test", "test"])
    with pytest.raises(UserError, match="sum to 1"):
        drawn([0] * 3, fractions=(0.5, 0.0, 0.0))


def test_names_of_splits_are_read_as_people_write_them():
    assert [split_named(text, "Row 2") for text in ("Train", " dev ", "validation", "valid", "TEST", "")] == [
        "train",
        "val",
        "val",
        "val",
        "test",
        "",
    ]
    with pytest.raises(UserError, match="Row 2 has the split 'tets': write train, val or test"):
        split_named("tets", "Row 2")


def test_groups_with_copies_of_one_file_are_joined():
    ids, groups = list("tuvwxyz"), ["b", "b", "a", "c", "", "", ""]
    assert join_equal(ids, groups, [1, 2, 2, 3, 4, 4, 5]) == ["a", "a", "a", "c", "item x", "item x", ""]
    assert join_equal(ids[:4], ["a", "b", "c", ""], [1, 2, 3, 4]) == ["a", "b", "c", ""]
    # Two joins in a row, in either order: c with b, and b with a.
    assert join_equal(ids[:4], ["a", "b", "b", "c"], [1, 1, 2, 2]) == ["a"] * 4
    assert join_equal(ids[:4], ["c", "b", "b", "a"], [2, 2, 1, 1]) == ["a"] * 4
