"""Tables of videos and speech: every wrong row by its number, and matchings against an exhaustive search."""

import itertools

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data.sets.spoken_pairs import SpokenPair, matched, read_table

VIDEOS = ("v1", "v2", "v3")
GOOD = "video,speech,class\nv1,said/a.wav,wash\nv1,said/b.wav,wash\nv2,said/a.wav,wash\nv3,c.wav,cut\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data" / "said").mkdir(parents=True)
    for name in ("said/a.wav", "said/b.wav", "c.wav", "../outside.wav"):
        (tmp_path / "data" / name).write_bytes(b"sound")
    return tmp_path / "data"


def table(folder, text):
    path = folder / "speech.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_are_read_in_order_and_stripped(folder):
    rows = read_table(table(folder, GOOD.replace("v2,", " v2 ,")), VIDEOS)
    assert rows == [
        SpokenPair("v1", "said/a.wav", "wash"),
        SpokenPair("v1", "said/b.wav", "wash"),
        SpokenPair("v2", "said/a.wav", "wash"),
        SpokenPair("v3", "c.wav", "cut"),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("v2,,wash", "Row 6 of .* has an empty speech"),
        ("v2,said/b.wav,", "Row 6 of .* has an empty class"),
        ("v9,said/b.wav,wash", "Row 6 of .* names the video v9, which is not annotated"),
        ("v2,said/z.wav,wash", "Row 6 of .* names the speech file said/z.wav, which is not there"),
        ("v2,../outside.wav,wash", r"\.\./outside\.wav leads out of"),
        ("v2,said/b.wav,cut", "Row 6 of .* puts the video v2 in class cut, an earlier row in wash"),
        ("v3,said/b.wav,cut", "Row 6 of .* puts the speech said/b.wav in class cut, an earlier row in wash"),
        ("v3,c.wav,cut", "Row 6 of .* is there twice"),
    ],
)
def test_each_wrong_row_is_one_sentence(folder, row, told):
    with pytest.raises(UserError, match=told):
        read_table(table(folder, GOOD + row + "\n"), VIDEOS)


def test_tables_without_rows_or_columns_are_refused(folder):
    with pytest.raises(UserError, match="There is no table"):
        read_table(folder / "none.csv", VIDEOS)
    with pytest.raises(UserError, match="has no column class"):
        read_table(table(folder, "video,speech\nv1,c.wav\n"), VIDEOS)
    with pytest.raises(UserError, match="has no rows"):
        read_table(table(folder, "video,speech,class\n"), VIDEOS)


def largest_matching(rows):
    """Size of the largest set of rows without a common video or speech, over all sets."""
    for size in range(len(rows), 0, -1):
        for chosen in itertools.combinations(rows, size):
            if len({row.video for row in chosen}) == size == len({row.speech for row in chosen}):
                return size
    return 0


def test_matchings_use_each_file_once_and_are_largest():
    rng = np.random.default_rng(0)
    beaten = 0
    for _ in range(30):
        edges = rng.permutation([(video, speech) for video in range(4) for speech in range(4)])[: rng.integers(1, 9)]
        rows = [SpokenPair(f"v{video}", f"s{speech}", "one") for video, speech in edges]
        pairs, left_out = matched(rows)
        assert set(pairs) <= set(rows)
        assert len(pairs) == largest_matching(rows)
        names = [name for pair in pairs for name in (pair.video, pair.speech)]
        assert len(set(names)) == len(names)
        assert sorted([*names, *left_out]) == sorted({name for row in rows for name in (row.video, row.speech)})
        assert matched(rows[::-1]) == (pairs, left_out)
        greedy: set[str] = set()
        for row in rows:
            if not {row.video, row.speech} & greedy:
                greedy |= {row.video, row.speech}
        beaten += len(pairs) > len(greedy) / 2
    assert beaten, "taking the first row that fits must lose pairs somewhere"


def test_rows_that_pair_files_stay_as_they_are():
    rows = [SpokenPair(f"v{number}", f"s{9 - number}", "one") for number in range(9)]
    assert matched(rows) == (rows, [])
