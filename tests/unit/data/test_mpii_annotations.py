"""Both published annotation forms, written here as MATLAB and the authors write them, and what is refused."""

import pytest
from cooking_files import ENTRIES, write_csv, write_mat

from avx.core.errors import UserError
from avx.data.sets.mpii_annotations import Segment, read_annotations


@pytest.mark.parametrize("turned", [False, True])
def test_matlab_files_are_read(tmp_path, turned):
    segments = read_annotations(write_mat(tmp_path / "a.mat", turned=turned))
    assert list(segments) == ["s07-d72-cam-002_11_40", "s07-d72-cam-002_41_41", "s08-d02-cam-002_1433_2347"]
    assert segments["s08-d02-cam-002_1433_2347"] == Segment("s08-d02-cam-002", 1433, 2347, "cut diceV")


def test_csv_files_give_the_same(tmp_path):
    assert read_annotations(write_csv(tmp_path / "a.csv")) == read_annotations(write_mat(tmp_path / "a.mat"))


def test_the_first_of_equal_spans_counts(tmp_path):
    twice = [*ENTRIES, ("s07-d72-cam-002", 41, 41, "dryV")]
    segments = read_annotations(write_csv(tmp_path / "a.csv", twice))
    assert len(segments) == 3
    assert segments["s07-d72-cam-002_41_41"].activity == "washV"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (("s07", 0, 5, "washV"), "Entry 4 of .* frames 0 to 5"),
        (("s07", 9, 5, "washV"), "Entry 4 of .* frames 9 to 5"),
        (("", 1, 5, "washV"), "Entry 4 of .* ''"),
    ],
)
def test_impossible_entries_are_named(tmp_path, entry, told):
    with pytest.raises(UserError, match=told):
        read_annotations(write_mat(tmp_path / "a.mat", [*ENTRIES, entry]))


def test_other_formats_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="no annotation file"):
        read_annotations(tmp_path / "none.mat")
    with pytest.raises(UserError, match=r"no MATLAB 7\.3 file"):
        read_annotations(write_mat(tmp_path / "part.mat", without=("endFrame",)))
    text = tmp_path / "text.mat"
    text.write_text("MATLAB 5.0 MAT-file")
    with pytest.raises(UserError, match=r"no MATLAB 7\.3 file"):
        read_annotations(text)
    lines = tmp_path / "lines.csv"
    lines.write_text("s07,s07-d72-cam-002,11,40,7,washV\ns07,s07-d72-cam-002,eleven,40,7,washV\n")
    with pytest.raises(UserError, match=r"Line 2 of .* must be: subject, file"):
        read_annotations(lines)
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(UserError, match="lists no segment"):
        read_annotations(empty)
