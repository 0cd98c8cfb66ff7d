"""Csv files: every cell is used or refused by its row, and slips in the names of columns are caught."""

import pytest

from avx.core.errors import UserError
from avx.data.manifest import one_slip, read_manifest, read_table


@pytest.fixture
def write(tmp_path):
    def written(content):
        path = tmp_path / "list.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def test_cells_are_stripped_and_rows_numbered_by_their_first_line(write):
    table = read_table(write('\ufeffFile , Label,,\n\n a.mp4,"two\nlines, one cell",,\nb.mp4 , x\t,,\n , \n'))
    assert table.columns == ("file", "label")
    assert table.rows == (("a.mp4", "two\nlines, one cell"), ("b.mp4", "x"))
    assert table.numbers == (3, 5)
    assert table.where(1).startswith("Row 5 of ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\na.mp4\n", "Row 2 of .* has 1 cells for 2 columns"),
        ("file,label\n\na.mp4,x\na.mp4,x,y\n", "Row 4 of .* has 3 cells for 2 columns"),
        ('file,label\na.mp4,x\nb.mp4,"open\nc.mp4,y\n', "Row 3 of .* is not valid csv"),
        ('file,label\na.mp4,"x" y\n', "Row 2 of .* is not valid csv"),
        ("file,label,LABEL \na.mp4,x,y\n", "two columns named label"),
        ("file,,label\na.mp4,,y\n", "Column 2 of .* has no name"),
        ("", "has no header"),
        (b"file\n\xff\xfe\n", "UTF-8"),
    ],
)
def test_what_cannot_be_read_whole_is_refused(write, content, message):
    with pytest.raises(UserError, match=message):
        read_table(write(content))


def test_a_manifest_names_its_unused_columns(write):
    manifest = read_manifest(write("Path,video,class,audio_s,audio_rms,_mine\na,b,c,1,2,3\n"))
    assert manifest.ignored == ("path", "audio_s", "audio_rms")
    (row,) = manifest.rows
    assert (row["file"], row["label"], row["audio"], row["split"]) == ("b", "c", "", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,lable\na,b\n", "has a column lable; did you mean label"),
        ("flie,label\na,b\n", "did you mean file"),
        ("file,captions\na,b\n", "did you mean caption"),
        ("file,splt\na,train\n", "did you mean split"),
        ("file,split\na,train\nb,held out\n", "Row 3 of .* has the split 'held out': write train, val or test"),
        ("file,label\n,x\n", "Row 2 of .* names no file: fill in its file"),
    ],
)
def test_slips_and_empty_files_are_refused(write, content, message):
    with pytest.raises(UserError, match=message):
        read_manifest(write(content))


def test_a_column_that_is_there_excuses_its_neighbours(write):
    assert read_manifest(write("file,label,labels\na,b,c\n")).ignored == ("labels",)


def test_slips_of_the_pen():
    for slip in ("lable", "abel", "label2", "labek", "labl"):
        assert one_slip(slip, "label"), slip
    for other in ("label", "lebal", "category", "labelled", "i"):
        assert not one_slip(other, "label"), other
    assert not one_slip("ids", "id"), "short names have too many neighbours"
