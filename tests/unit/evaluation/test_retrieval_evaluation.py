"""Retrieval results: chance for what knows nothing, missing modalities, and both directions by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.types import Batch, Embeddings, ModelState, Padded, System
from avx.evaluation import retrieval

MODALITIES = ("video", "audio")
LABELS = np.array([0, 0, 0, 1, 1, 2, -1])
EVERYONE = {name: np.ones(7, bool) for name in MODALITIES}
DIRECTIONS = ("video_to_audio", "audio_to_video")


def assert_scores_chance(measured, chance):
    """Every number that chance has, the measured levels have too; counts and rank errors stand there alone."""
    assert measured.keys() == chance.keys()
    for direction, levels in chance.items():
        assert measured[direction].keys() == levels.keys()
        for level, values in levels.items():
            assert {"hit@1", "hit@5", "map", "mdr", "mnr"} <= values.keys() <= measured[direction][level].keys()
            for name, value in values.items():
                assert measured[direction][level][name] == pytest.approx(value, rel=1e-6), (direction, level, name)


def test_a_constant_score_scores_chance_in_both_directions_at_both_levels():
    chance = retrieval.chance(LABELS, EVERYONE, MODALITIES, (1, 5))
    assert set(chance) == set(DIRECTIONS)
    assert set(chance["video_to_audio"]) == {"class", "instance"}
    assert chance["video_to_audio"]["instance"]["hit@1"] == pytest.approx(1 / 7)
    assert chance["audio_to_video"]["instance"]["hit@5"] == pytest.approx(5 / 7)
    # Three queries have 3 relevant clips of 7, two have 2, one has 1; the clip without a class does not ask.
    assert chance["video_to_audio"]["class"]["hit@1"] == pytest.approx((3 * 3 + 2 * 2 + 1) / 7 / 6)
    constant = retrieval.evaluate_scores(np.full((7, 7), 0.3, np.float32), LABELS, EVERYONE, MODALITIES, (1, 5))
    assert_scores_chance(constant, chance)


def test_collapsed_embeddings_score_chance():
    same = Embeddings(np.tile(np.array([[0.6, 0.8]], np.float32), (7, 1)), np.ones(7, bool))
    split = retrieval.EmbeddedSplit({"video": same, "audio": same}, LABELS)
    system = System(None, None, None, lambda params, state, a, b: a.vectors @ b.vectors.T, MODALITIES, True)
    scores = retrieval.score_split(system, None, ModelState(), split)
    chance = retrieval.chance(LABELS, EVERYONE, MODALITIES, (1, 5))
    assert_scores_chance(retrieval.evaluate_scores(scores, LABELS, EVERYONE, MODALITIES, (1, 5)), chance)


def test_three_by_three_by_hand():
    # Rows are videos, columns sounds; clips 0 and 2 share a class.
    scores = np.array([[0.1, 0.9, 0.5], [0.2, 0.8, 0.3], [0.7, 0.6, 0.4]], np.float32)
    present = {name: np.ones(3, bool) for name in MODALITIES}
    levels = retrieval.evaluate_scores(scores, np.array([4, 5, 4]), present, MODALITIES, (1, 2))
    forward, backward = levels["video_to_audio"], levels["audio_to_video"]
    # Video 0 ranks sounds 1 2 0, video 1 ranks 1 2 0, video 2 ranks 0 1 2: own sound at ranks 3, 1, 3.
    assert forward["instance"]["hit@1"] == pytest.approx(1 / 3)
    assert forward["instance"]["map"] == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)
    assert forward["instance"]["mnr"] == pytest.approx(7 / 3)
    assert forward["instance"]["mdr"] == pytest.approx(3)
    # Class: video 0 finds at ranks 2 and 3, video 1 at 1, video 2 at 1 and 3.
    assert forward["class"]["hit@1"] == pytest.approx(2 / 3)
    assert forward["class"]["map"] == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1 + (1 + 2 / 3) / 2) / 3)
    # Sound 0 ranks videos 2 1 0, sound 1 ranks 0 1 2, sound 2 ranks 0 2 1: own video at ranks 3, 2, 2.
    assert backward["instance"]["hit@1"] == 0
    assert backward["instance"]["hit@2"] == pytest.approx(2 / 3)
    assert backward["instance"]["map"] == pytest.approx((1 / 3 + 1 / 2 + 1 / 2) / 3)
    assert backward["class"]["map"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2 + 1) / 3)

    flat = retrieval.flatten(levels)
    assert flat["instance/map"] == pytest.approx((5 / 9 + 4 / 9) / 2)
    assert flat["video_to_audio/instance/map"] == pytest.approx(5 / 9)
    assert flat["audio_to_video/instance/map"] == pytest.approx(4 / 9)


def test_clips_without_a_modality_neither_ask_nor_are_offered():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(7, 7)).astype(np.float32)
    present = {"video": np.arange(7) != 1, "audio": np.arange(7) != 4}
    poisoned = scores.copy()
    poisoned[1], poisoned[:, 4] = np.nan, np.inf  # what a missing modality scores is never looked at
    levels = retrieval.evaluate_scores(poisoned, LABELS, present, MODALITIES, (1,))

    ranks = []
    for query in (0, 2, 3, 5, 6):  # 1 has no video, and the sound of 4 is not there to be found
        own = scores[query, query]
        ranks.append(1 + sum(scores[query, other] > own for other in range(7) if other not in (4, query)))
    assert levels["video_to_audio"]["instance"]["mnr"] == pytest.approx(np.mean(ranks))

    precisions = []
    for query in (0, 2, 3, 4, 5):  # 4 still asks for its class; 6 has none
        order = [other for other in np.argsort(-scores[query]) if other != 4]
        hits = [place for place, other in enumerate(order, 1) if LABELS[other] == LABELS[query]]
        precisions.append(np.mean([(number + 1) / place for number, place in enumerate(hits)]))
    assert levels["video_to_audio"]["class"]["map"] == pytest.approx(np.mean(precisions))


def test_one_direction_alone_equals_its_part_of_both():
    scores = np.random.default_rng(1).normal(size=(7, 7)).astype(np.float32)
    present = {"video": np.arange(7) != 1, "audio": np.arange(7) != 4}
    both = retrieval.evaluate_scores(scores, LABELS, present, MODALITIES, (1, 3))
    assert both["video_to_audio"] == retrieval.evaluate_direction(scores, LABELS, present, "video", "audio", (1, 3))
    assert both["audio_to_video"] == retrieval.evaluate_direction(scores.T, LABELS, present, "audio", "video", (1, 3))


def test_pair_scores_are_computed_in_tiles_compiled_once():
    """600 clips are three tiles of queries and two of the gallery; another validation compiles nothing anew."""
    generator = np.random.default_rng(2)
    present = {"video": np.arange(600) != 7, "audio": np.arange(600) != 599}
    embeddings = {
        name: Embeddings(generator.normal(size=(600, 3)).astype(np.float32), present[name]) for name in MODALITIES
    }
    split, traced, done = retrieval.EmbeddedSplit(embeddings, np.arange(600)), [], []

    def score(params, state, queries, gallery):
        traced.append(1)
        return params["scale"] * jnp.tanh(queries.vectors @ jnp.diag(jnp.arange(3.0)) @ gallery.vectors.T)

    system = System(None, None, None, score, MODALITIES, factored=False)
    video, audio = (embeddings[name].vectors for name in MODALITIES)
    for scale in (1.0, 0.5):
        params = {"scale": jnp.float32(scale)}
        found = retrieval.score_split(system, params, ModelState(), split, done.append)
        np.testing.assert_allclose(found, scale * np.tanh((video * [0, 1, 2]) @ audio.T), atol=1e-6)
    assert len(traced) == 1
    assert done == 2 * [256 * 600, 512 * 600, 600 * 600]


def test_replicated_parameters_are_read_from_one_device():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:4]), "copies")
    everywhere = jax.device_put(
        np.arange(6.0).reshape(2, 3), jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    )
    assert len(everywhere.devices()) == 4
    found = retrieval.on_one_device({"weights": everywhere, "steps": np.int32(3)})
    assert len(found["weights"].devices()) == 1 and found["steps"] == 3
    np.testing.assert_array_equal(found["weights"], np.arange(6.0).reshape(2, 3))


def test_flatten_is_the_mean_over_directions_that_have_the_level():
    levels = {"a_to_b": {"class": {"map": 0.2}}, "b_to_a": {"class": {"map": 0.6}}}
    assert retrieval.flatten(levels) == pytest.approx(
        {"a_to_b/class/map": 0.2, "b_to_a/class/map": 0.6, "class/map": 0.4}
    )


def test_rows_that_fill_up_the_last_batch_are_dropped():
    def batch(labels, real):
        size = len(labels)
        padded = Padded(np.zeros((size, 1, 1)), np.ones((size, 1), bool))
        modalities = {"video": padded, "audio": padded}
        return Batch(modalities, np.array(labels), np.arange(size), np.arange(size) < real)

    def embed(params, model_state, batch):
        vectors = np.stack([batch.label, -batch.label], 1).astype(np.float32)
        return {name: Embeddings(vectors, batch.label != 2) for name in MODALITIES}

    batches = [batch([1, 2, 3], 3), batch([4, 9, 9], 1)]
    split = retrieval.embed_split(embed, None, ModelState(), batches, MODALITIES)
    np.testing.assert_array_equal(split.labels, [1, 2, 3, 4])
    np.testing.assert_array_equal(split.embeddings["audio"].vectors[:, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(split.embeddings["video"].present, [True, False, True, True])
