"""What a retriever says of items: rows, arrays and blocks agree, and padding, devices and missing sides do no harm."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_dataset import table, without
from toy_retriever import toy_retriever

from avx.core.errors import UserError
from avx.data.batches import ModalitySpec
from avx.runs import retriever as room
from avx.runs.feature_layout import sized, vector_specs
from avx.runs.retriever import EmbeddedItems, on_one_device

SIDES = ("video", "audio")


def vectors_of(count, seed=0):
    generator = np.random.default_rng(seed)
    return {side: generator.normal(size=(count, 3)).astype(np.float32) for side in SIDES}


def dataset_of(vectors):
    count = len(vectors["video"])
    return table(vectors, np.arange(count) % 3, ("a", "b", "c"))


def items_of(side, vectors):
    asked = toy_retriever(SIDES).embed(side, vectors)
    assert isinstance(asked, EmbeddedItems)
    return asked


@pytest.mark.parametrize("rows", [1, 4, 11, 64])
def test_rows_that_fill_up_the_last_batch_are_dropped(rows):
    """Eleven items, in batches of any size, in the order that is asked for."""
    vectors, order = vectors_of(11), np.array([3, 0, 10, 7, 1, 2, 9, 8, 4, 5, 6])
    dataset = without(dataset_of(vectors), "audio", np.array([7]))
    found = toy_retriever(SIDES, batch_size=rows).embed_rows(dataset, order)
    units = {side: values / np.linalg.norm(values, axis=1, keepdims=True) for side, values in vectors.items()}
    assert found["video"].ids == tuple(f"item{row:03d}" for row in order) and len(found["video"]) == 11
    np.testing.assert_allclose(found["video"].vectors, units["video"][order], rtol=1e-5)
    np.testing.assert_array_equal(found["audio"].present, order != 7)
    here = np.flatnonzero(order != 7)
    np.testing.assert_allclose(found["audio"].take(here).vectors, units["audio"][order[here]], rtol=1e-5)
    assert found["audio"].take(here).ids == tuple(name for name in found["video"].ids if name != "item007")


def test_arrays_are_embedded_as_rows_are():
    vectors = vectors_of(6)
    asked = toy_retriever(SIDES)
    rows = asked.embed_rows(dataset_of(vectors), np.arange(6))["audio"]
    np.testing.assert_array_equal(asked.embed("audio", vectors["audio"]).vectors, rows.vectors)
    sequences = [values[None] for values in vectors["audio"]]
    named = asked.embed("audio", sequences, ids=list("abcdef"))
    np.testing.assert_array_equal(named.vectors, rows.vectors)
    assert (named.side, named.ids) == ("audio", tuple("abcdef"))


def test_pair_scores_come_in_blocks_compiled_once(monkeypatch):
    """600 queries are three blocks; another set of parameters compiles nothing anew."""
    traced, vectors = [], vectors_of(600)

    def score(params, state, queries, gallery):
        traced.append(1)
        return params * jnp.tanh(queries.vectors @ jnp.diag(jnp.arange(3.0)) @ gallery.vectors.T)

    video, audio = items_of("video", vectors["video"]), items_of("audio", vectors["audio"][:599])
    compiled = None
    for scale in (1.0, 0.5):
        asked = toy_retriever(SIDES, score=score, params=jnp.float32(scale))
        if compiled is not None:  # as the evaluations of one run share them
            asked = room.dataclasses.replace(asked, system=compiled.system, compiled=compiled)
        compiled = asked.compiled
        blocks = list(asked.score_blocks(video, audio))
        assert [block for block, _ in blocks] == [slice(0, 256), slice(256, 512), slice(512, 600)]
        whole = np.concatenate([scores for _, scores in blocks])
        np.testing.assert_allclose(whole, scale * np.tanh((video.vectors * [0, 1, 2]) @ audio.vectors.T), atol=1e-6)
        np.testing.assert_array_equal(asked.score(video, audio), whole)
    assert len(traced) == 1


def test_scores_that_are_held_at_once_have_a_bound(monkeypatch):
    monkeypatch.setattr(room, "SCORES_AT_ONCE", 5 * 40)
    vectors = vectors_of(40)
    asked = toy_retriever(SIDES)
    video, audio = items_of("video", vectors["video"]), items_of("audio", vectors["audio"])
    blocks = list(asked.score_blocks(video, audio))
    assert max(scores.size for _, scores in blocks) == 5 * 40 and len(blocks) == 8
    np.testing.assert_allclose(np.concatenate([scores for _, scores in blocks]), video.vectors @ audio.vectors.T, 1e-5)


def test_the_memory_of_scoring_does_not_grow_with_the_number_of_pairs(monkeypatch):
    monkeypatch.setattr(room, "SCORES_AT_ONCE", 1 << 16)
    vectors = vectors_of(4096)
    asked = toy_retriever(SIDES)
    audio = items_of("audio", vectors["audio"][:2048])

    def peak(count):
        video = items_of("video", vectors["video"][:count])
        tracemalloc.start()
        for _ in asked.score_blocks(video, audio):
            pass
        _, largest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return largest

    peak(256)
    assert peak(4096) - peak(256) < (4096 - 256) * 2048 / 8, "an eighth of a byte for each pair more"


def test_the_nearest_are_the_best_scores_of_equal_ones_the_earlier():
    gallery = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    asked = toy_retriever(SIDES)
    found = asked.nearest(items_of("video", gallery[[2, 1]]), items_of("audio", gallery), k=3)
    np.testing.assert_array_equal(found.ids, [[0, 2, 1], [1, 0, 2]])
    np.testing.assert_allclose(found.scores, [[1, 1, 0], [1, 0, 0]])
    with pytest.raises(UserError, match="k=5"):
        asked.nearest(items_of("video", gallery), items_of("audio", gallery), k=5)


def test_replicated_parameters_are_read_from_one_device():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:4]), "copies")
    layout = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    everywhere = jax.device_put(np.arange(6.0).reshape(2, 3), layout)
    assert len(everywhere.devices()) == 4
    found = on_one_device({"weights": everywhere, "steps": np.int32(3)})
    assert len(found["weights"].devices()) == 1 and found["steps"] == 3
    np.testing.assert_array_equal(found["weights"], np.arange(6.0).reshape(2, 3))


def test_embeddings_are_saved_without_pickle(tmp_path):
    items = items_of("video", vectors_of(3)["video"])
    toy_retriever(SIDES).save_embeddings(tmp_path / "video.npz", items)
    with np.load(tmp_path / "video.npz", allow_pickle=False) as saved:
        assert set(saved.files) == {"ids", "side", "vectors", "present"}
        np.testing.assert_array_equal(saved["vectors"], items.vectors)
        assert (saved["ids"].tolist(), str(saved["side"])) == (["0", "1", "2"], "video")
    assert [path.name for path in tmp_path.iterdir()] == ["video.npz"]


def test_what_cannot_be_embedded_is_named():
    asked = toy_retriever(SIDES)
    with pytest.raises(UserError, match="the side 'text' is unknown; Toy has video and audio"):
        asked.embed("text", np.ones((1, 3), np.float32))
    with pytest.raises(UserError, match="no items to embed for the side video"):
        asked.embed("video", [])
    with pytest.raises(UserError, match="reads feature vectors, not files"):
        asked.embed("video", ["clip.mp4"])
    with pytest.raises(UserError, match=r"video.*\(4,\).*\(3,\)"):
        asked.embed("video", np.ones((2, 4), np.float32))
    vectors = vectors_of(4)
    vectors["audio"][2, 1] = np.inf
    with pytest.raises(UserError, match="audio features of item item002 hold NaN or infinity"):
        asked.embed_rows(dataset_of(vectors), np.arange(4))


def test_lengths_and_widths_come_from_the_data():
    shapes = [{"audio": (7, 3), "video": (2, 5)}, {"audio": (4, 3)}, {"audio_summary": (6,), "audio": (4, 3)}]
    data = dataset_of(vectors_of(3))
    data = room.dataclasses.replace(data, shapes=shapes.__getitem__)
    specs = (ModalitySpec("audio", 0, (3,)), ModalitySpec("video", 9, (5,)))
    assert [spec.length for spec in sized(specs, data)] == [7, 9]
    summaries = room.dataclasses.replace(data, shapes=shapes[::-1].__getitem__)
    found = vector_specs(summaries, ("audio", "video"))
    assert [(spec.name, spec.length, spec.shape, spec.feature) for spec in found] == [
        ("audio", 1, (6,), "audio_summary"),
        ("video", 2, (5,), "video"),
    ]
    with pytest.raises(UserError, match="no item of toy has features of the side 'text'"):
        vector_specs(data, ("audio", "text"))
