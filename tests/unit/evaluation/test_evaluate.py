"""A fitted method on a dataset: missing sides, collapsed embeddings, codes, and what is embedded how often."""

import dataclasses
import types

import numpy as np
import pytest
from asked import LABELS, SIDES, blocks_of, dataset_of, protocols

from avx.core.types import Embedded
from avx.evaluation.evaluator import Evaluator, validation_levels
from avx.hashing.pack import pack
from avx.runs.retriever import EmbeddedItems


@dataclasses.dataclass
class Known:
    """A method whose embeddings of all rows are known: {side: Embedded of N}; it notes what it is asked to embed."""

    whole: dict
    rows_at_once: int = 3
    asked: list = dataclasses.field(default_factory=list)
    sides = SIDES
    system = types.SimpleNamespace(factored=True)

    def embed_rows(self, dataset, rows):
        self.asked.append(tuple(rows.tolist()))
        return {side: EmbeddedItems(side, dataset.ids, found).take(rows) for side, found in self.whole.items()}

    def score_blocks(self, queries, gallery):
        return blocks_of(queries.vectors @ gallery.vectors.T, self.rows_at_once)


def known(vectors, present=None, codes=None):
    sides = {}
    for side in SIDES:
        here = np.ones(len(vectors[side]), bool) if present is None else present[side]
        sides[side] = Embedded(vectors[side], here, codes=None if codes is None else codes[side])
    return Known(sides)


def test_collapsed_embeddings_score_chance():
    same = np.tile(np.array([[0.6, 0.8]], np.float32), (7, 1))
    evaluator = Evaluator(known({"video": same, "audio": same}), dataset_of(LABELS))
    found, expected = evaluator.directions(protocols()), evaluator.chance(protocols())
    assert found.keys() == expected.keys() == {"video_to_audio", "audio_to_video"}
    for direction, one in expected.items():
        assert one.levels.keys() == {"class", "instance"}
        for level, values in one.levels.items():
            for name, value in values.items():
                assert found[direction].levels[level][name] == pytest.approx(value, rel=1e-6), (direction, level, name)


def rows_of(items):
    return [int(name.removeprefix("item")) for name in items.ids]


def test_items_without_a_side_neither_ask_nor_are_offered():
    scores = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
    present = {"video": np.arange(7) != 1, "audio": np.arange(7) != 4}
    poisoned = scores.copy()
    poisoned[1], poisoned[:, 4] = np.nan, np.inf  # what a missing side scores is never looked at
    method = known({side: np.zeros((7, 2), np.float32) for side in SIDES}, present)
    method.score_blocks = lambda queries, gallery: blocks_of(poisoned[np.ix_(rows_of(queries), rows_of(gallery))])
    forward, _ = protocols(ks=(1,))
    found = Evaluator(method, dataset_of(LABELS)).direction(forward)
    np.testing.assert_array_equal(found.queries, [0, 2, 3, 4, 5, 6])
    assert 4 not in found.top and found.top.max() == 6

    ranks = []
    for query in (0, 2, 3, 5, 6):  # 1 has no video, and the sound of 4 is not there to be found
        own = scores[query, query]
        ranks.append(1 + sum(scores[query, other] > own for other in range(7) if other not in (4, query)))
    assert found.levels["instance"]["mnr"] == pytest.approx(np.mean(ranks))
    assert (found.levels["instance"]["queries"], found.levels["instance"]["excluded"]) == (5, 1)

    precisions = []
    for query in (0, 2, 3, 4, 5):  # 4 still asks for its class; 6 has none
        order = [other for other in np.argsort(-scores[query]) if other != 4]
        hits = [place for place, other in enumerate(order, 1) if LABELS[other] == LABELS[query]]
        precisions.append(np.mean([(number + 1) / place for number, place in enumerate(hits)]))
    assert found.levels["class"]["map"] == pytest.approx(np.mean(precisions))


def test_a_side_that_no_item_has_gives_no_figures():
    vectors = {side: np.ones((7, 2), np.float32) for side in SIDES}
    evaluator = Evaluator(known(vectors, {"video": np.ones(7, bool), "audio": np.zeros(7, bool)}), dataset_of(LABELS))
    assert {found.levels == {} for found in evaluator.directions(protocols()).values()} == {True}
    assert {found.levels == {} for found in evaluator.chance(protocols()).values()} == {True}


def two_splits():
    """Twelve items: four train, three validate, five test; random vectors and one validation item without sound."""
    generator = np.random.default_rng(3)
    vectors = {side: generator.normal(size=(12, 5)).astype(np.float32) for side in SIDES}
    dataset = dataset_of(np.arange(12) % 3, train=np.arange(4), val=np.arange(4, 7), test=np.arange(7, 12))
    present = {"video": np.ones(12, bool), "audio": np.arange(12) != 5}
    return vectors, dataset, present


def test_every_split_is_embedded_once_whatever_is_asked():
    vectors, dataset, present = two_splits()
    method = known(vectors, present)
    evaluator = Evaluator(method, dataset)
    for gallery in ("test", "train", "train+val"):
        evaluator.directions(protocols(gallery=gallery))
        evaluator.chance(protocols(gallery=gallery))
    assert method.asked == [(7, 8, 9, 10, 11), (0, 1, 2, 3), (0, 1, 2, 3, 4, 5, 6)]


def test_test_items_search_the_items_of_other_splits():
    vectors, dataset, present = two_splits()
    forward, backward = protocols(ks=(1,), gallery="train+val")
    evaluator = Evaluator(known(vectors, present), dataset)
    found = evaluator.directions([forward, backward])
    offered = np.array([0, 1, 2, 3, 4, 6])  # the sound of 5 is missing
    scores = vectors["video"][7:] @ vectors["audio"][offered].T
    np.testing.assert_array_equal(found["video_to_audio"].top, offered[np.argsort(-scores, axis=1)])
    scores = vectors["audio"][7:] @ vectors["video"][:7].T
    np.testing.assert_array_equal(found["audio_to_video"].top, np.argsort(-scores, axis=1))
    ranks = [one.levels["class"]["mnr"] for one in evaluator.chance([forward, backward]).values()]
    # Classes of the queries 1 2 0 1 2; of the sounds 0 1 2 0 1 0, of the videos 0 1 2 0 1 2 0.
    assert ranks == pytest.approx(
        [np.mean([7 / 3, 7 / 2, 7 / 4, 7 / 3, 7 / 2]), np.mean([8 / 3, 8 / 3, 2, 8 / 3, 8 / 3])]
    )


def test_scores_of_another_rule_may_stand_in():
    vectors, dataset, _ = two_splits()
    forward, _ = protocols(ks=(1,))
    evaluator = Evaluator(known(vectors), dataset)
    turned = evaluator.direction(forward, lambda queries, gallery: blocks_of(-(queries.vectors @ gallery.vectors.T)))
    np.testing.assert_array_equal(turned.top, evaluator.direction(forward).top[:, ::-1])


def test_validation_items_are_measured_against_each_gallery():
    vectors, dataset, present = two_splits()
    method = known(vectors, present)
    limits = types.SimpleNamespace(ks=(1,), map_cutoffs=(), validation_galleries=("train", "val"))
    found = validation_levels(method, dataset, limits)
    assert found.keys() == {"train", "val"}
    assert found["train"]["video_to_audio"].keys() == {"class"}
    assert found["val"]["video_to_audio"].keys() == {"class", "instance"}
    assert not any(set(rows) & set(dataset.rows("test").tolist()) for rows in method.asked)
    evaluator = Evaluator(method, dataset)
    for gallery, directions in found.items():
        for protocol in protocols(ks=(1,), queries="val", gallery=gallery):
            assert directions[protocol.direction] == evaluator.direction(protocol).levels


def coded(labels):
    """Two-bit codes of three items: of their videos 00, 01 and 11, of their sounds 00, 11 and 10."""
    real = {"video": [[-1, -1], [1, -1], [1, 1]], "audio": [[-1, -1], [1, 1], [-1, 1]]}
    vectors = {side: np.array(values, np.float32) / np.sqrt(2) for side, values in real.items()}
    return Evaluator(known(vectors, codes={side: pack(vectors[side]) for side in SIDES}), dataset_of(labels))


def test_codes_are_also_judged_by_radius():
    forward, _ = protocols(ks=(1,))
    found = coded([0, 1, 0]).direction(forward)
    # Distances of video 00 to sounds 00, 11 and 10: 0 2 1; of 01: 1 1 2; of 11: 2 0 1. Items 0 and 2 share a class.
    np.testing.assert_allclose(found.radius["recall"], [(1 / 2 + 0 + 0) / 3, (1 + 1 + 1 / 2) / 3, 1])
    np.testing.assert_allclose(found.radius["precision"], [(1 + 0 + 0) / 3, (1 + 1 / 2 + 1 / 2) / 3, (2 + 1 + 2) / 9])
    np.testing.assert_allclose(found.radius["answered"], [2 / 3, 1, 1])
    assert coded([0, 1, 0]).direction(forward, whole=False).radius == {}


def test_codes_of_items_without_classes_have_no_curve_of_classes():
    forward, _ = protocols(ks=(1,))
    found = coded([-1, -1, -1]).direction(forward)
    assert found.levels.keys() == {"instance"}
    assert (found.radius, found.curve) == ({}, {})


def test_methods_without_codes_have_no_radius():
    vectors, dataset, _ = two_splits()
    assert Evaluator(known(vectors), dataset).direction(protocols()[0]).radius == {}
