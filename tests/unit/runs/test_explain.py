"""Why a query found an item: blocks of sound at their times, classes, codes and memory slots, by hand."""

import dataclasses
import types

import numpy as np
from toy_retriever import toy_retriever

from avx.core.types import Attended, Embedded
from avx.hashing.pack import pack
from avx.runs.explain import Explanation, block_times, evidence

PRESENT = np.ones(1, bool)
UNIT = np.array([[0.6, 0.8]], np.float32)


def embedded(**fields):
    return Embedded(UNIT, PRESENT, **fields)


def test_blocks_cover_the_steps_that_a_batch_keeps():
    """Ten steps of 0.5 s, of which a batch keeps 0, 2, 4, 7 and 9: in two blocks of three and two."""
    starts = np.arange(10) * 0.5
    begin, end = block_times(starts, 0.5, 5, 2)
    np.testing.assert_allclose(begin, [0.0, 3.5])
    np.testing.assert_allclose(end, [2.5, 5.0])


def test_blocks_beyond_the_end_are_empty():
    begin, end = block_times(np.array([0.0, 0.96]), 0.96, 6, 4)
    np.testing.assert_allclose(begin, [0, 0.96, 0, 0])
    np.testing.assert_allclose(end, [0.96, 1.92, 0, 0])


def test_the_evidence_of_each_kind():
    attention = Attended(UNIT, np.array([[0.7, 0.3, 0.0]]), np.array([[True, False, False]]))
    query = embedded(
        attention=attention,
        posterior=np.array([[0.1, 0.6, 0.3]]),
        codes=pack(np.array([[1.0, -1, 1, 1]])),
        tokens=types.SimpleNamespace(cosines=np.array([[0.1, 0.9, 0.5, 0.2]])),
    )
    item = embedded(
        posterior=np.array([[0.5, 0.3, 0.2]]),
        codes=pack(np.array([[1.0, 1, -1, 1]])),
        tokens=types.SimpleNamespace(cosines=np.array([[0.9, 0.2, 0.5, 0.1]])),
    )
    features = [
        {"audio_starts": np.array([0.0, 1.0]), "audio_step_seconds": np.float64(1)},
        {"keyframe_times": np.array([0.25, 2.0])},
    ]
    found = evidence(0.5, query, item, features, {"audio": 6}, ("cat", "dog", "owl"))
    assert found.key_frames == [0.25, 2.0]
    assert found.heard == [(0.0, 1.0, 0.7, True), (1.0, 2.0, 0.3, False)]
    # Products .05, .18 and .06; cosines .09, .18, .25 and .02.
    assert [name for name, _, _ in found.classes] == ["dog", "owl", "cat"] and found.classes[0] == ("dog", 0.6, 0.3)
    assert found.bits_apart == (2, 4)
    assert [slot for slot, _, _ in found.slots] == [2, 1, 0]
    text = str(found)
    for words in ("score 0.500", "key frames at 0.2 s, 2.0 s", "sound 1.0 to 2.0 s: weight 0.30, not kept"):
        assert words in text
    for words in ("class dog: 0.60 and 0.30", "2 of 4 bits differ", "memory slot 2: cosines 0.50 and 0.50"):
        assert words in text


def test_what_a_method_has_not_is_empty():
    vectors = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    retriever = toy_retriever()
    found = retriever.explain("image", vectors[0], "text", vectors[0])
    assert dataclasses.asdict(found) == dataclasses.asdict(Explanation(found.score))
    assert str(found) == "score 1.000"
    assert retriever.explain("image", vectors[0], "text", vectors[1]).score == 0
