"""Spans cut out of a film whose frames show their own number in six black or white fields."""

import pytest
from cooking_files import numbers, write_film

from avx.core.errors import UserError
from avx.data.sets.segments import cut_segments
from avx.media.probe import probe


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "s08-d02-cam-002.avi")


def test_spans_hold_their_first_and_last_frame_and_may_overlap(film):
    spans = [(20, 29), (5, 12), (1, 1), (10, 24), (40, 40)]
    cut = dict(cut_segments(film, spans, 24, 10.0))
    assert list(cut) == [(1, 1), (5, 12), (10, 24), (20, 29), (40, 40)]
    for (first, last), media in cut.items():
        found, size = numbers(media)
        assert found == list(range(first, last + 1))
        assert size == (24, 48)
        assert probe(media).frame_rate == pytest.approx(29.4)


def test_long_spans_keep_their_beginning(film):
    ((_, media),) = cut_segments(film, [(3, 30)], 24, 0.34)
    assert numbers(media)[0] == list(range(3, 13))


def test_the_same_cut_gives_the_same_bytes(film):
    assert list(cut_segments(film, [(3, 9)], 24, 1.0)) == list(cut_segments(film, [(3, 9), (3, 9)], 24, 1.0))


def test_a_film_that_is_too_short_or_damaged_is_one_sentence(film, tmp_path):
    with pytest.raises(UserError, match="has 40 frames, but frames 38 to 41 of it are asked for"):
        list(cut_segments(film, [(2, 4), (38, 41)], 24, 1.0))
    damaged = tmp_path / "damaged.avi"
    damaged.write_bytes(b"RIFF" + bytes(100))
    with pytest.raises(UserError, match="cannot be cut"):
        list(cut_segments(damaged, [(1, 2)], 24, 1.0))
