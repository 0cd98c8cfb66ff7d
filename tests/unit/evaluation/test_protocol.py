"""Who asks whom: both directions, splits that are not there, and the flat names of figures."""

import numpy as np
import pytest
from asked import dataset_of

from avx.core.errors import UserError
from avx.evaluation.protocol import both_directions, check_splits, flatten


def test_both_directions_search_the_other_side_of_the_gallerys_split():
    forward, backward = both_directions(("video", "audio"), "test", "train+val", [1, 5], [50])
    assert (forward.direction, backward.direction) == ("video_to_audio", "audio_to_video")
    for one in (forward, backward):
        assert (one.query_split, one.gallery_split, one.ks, one.map_cutoffs) == ("test", "train+val", (1, 5), (50,))


def test_flat_names_hold_the_mean_over_directions():
    levels = {"a_to_b": {"class": {"map": 0.2}}, "b_to_a": {"class": {"map": 0.6}}}
    assert flatten({"test": levels}) == pytest.approx(
        {"a_to_b/class/map": 0.2, "b_to_a/class/map": 0.6, "class/map": 0.4}
    )


def test_flat_names_of_several_galleries_hold_the_mean_over_both():
    found = flatten({"train": {"a_to_b": {"class": {"map": 1.0}}}, "val": {"a_to_b": {"class": {"map": 0.5}}}})
    assert found == {
        "train/a_to_b/class/map": 1.0,
        "val/a_to_b/class/map": 0.5,
        "a_to_b/class/map": 0.75,
        "class/map": 0.75,
    }


def test_a_level_that_one_direction_lacks_is_the_mean_of_those_that_have_it():
    levels = {"a_to_b": {"class": {"map": 0.2}, "instance": {"map": 0.9}}, "b_to_a": {"class": {"map": 0.6}}}
    found = flatten({"test": levels})
    assert found["instance/map"] == 0.9 and found["class/map"] == pytest.approx(0.4)


def test_splits_that_are_unknown_or_empty_are_named():
    dataset = dataset_of(np.zeros(4, int), train=[0, 1], test=[2, 3])
    check_splits(dataset, ("train", "test", "train+test", "all"))
    with pytest.raises(UserError, match="the split 'tset' is unknown; choose train, val, test"):
        check_splits(dataset, ("train", "tset"))
    with pytest.raises(UserError, match="the split 'valid' is unknown"):
        check_splits(dataset, ("train+valid",))
    with pytest.raises(UserError, match="the val split of toy holds no items"):
        check_splits(dataset, ("val",))
