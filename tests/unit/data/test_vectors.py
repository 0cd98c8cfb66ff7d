"""Features of one's own: every format and form of labels, one sentence for each fault, and real published files."""

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from avx.core.errors import UserError
from avx.data.sets.vectors import read_features

RNG = np.random.default_rng(0)
VIDEO, AUDIO = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 4, 2))
IDS = np.array(["c", "a", "b", "f", "e", "d"])
LABELS = np.array(["dog", "cat", "dog", "cat", "dog", "cat"])
SPLIT = np.array(["train", "Train", "dev", "test", "test", "train"])


def write_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def check(dataset):
    """The six items, whatever they were read from."""
    assert dataset.ids == tuple(IDS.tolist())
    assert dataset.class_names == ("cat", "dog") and dataset.labels.tolist() == [1, 0, 1, 0, 1, 0]
    assert {name: rows.tolist() for name, rows in dataset.split.items()} == {
        "train": [0, 1, 5],
        "val": [2],
        "test": [3, 4],
    }
    for row in range(6):
        features = dataset.load(row)
        assert set(features) == {"video", "audio"}
        np.testing.assert_array_equal(features["video"], VIDEO[row : row + 1].astype(np.float32))
        np.testing.assert_array_equal(features["audio"], AUDIO[row].astype(np.float32))
        assert all(values.dtype == np.float32 for values in features.values())
        assert dataset.shapes(row) == {"video": (1, 3), "audio": (4, 2)}
    assert dataset.card(0).classes == ("dog",)
    assert dataset.coverage == {"items": 6, "unlabelled": 0}


def test_npz(tmp_path):
    path = write_npz(tmp_path / "my.npz", video=VIDEO, audio=AUDIO, ids=IDS, label=LABELS, split=SPLIT)
    check(read_features(path))
    assert read_features(path).name == "my"
    path = write_npz(tmp_path / "bytes.npz", video=VIDEO, audio=AUDIO, id=IDS.astype("S"), labels=LABELS, split=SPLIT)
    check(read_features(path))


def test_a_folder_of_npy_stays_on_the_disk(tmp_path):
    np.save(tmp_path / "video.npy", VIDEO.astype(np.float32))
    np.save(tmp_path / "audio.npy", AUDIO)
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    np.save(tmp_path / "labels.npy", (LABELS == "dog").astype(np.int8))
    (tmp_path / "class_names.txt").write_text("cat\ndog\n")
    (tmp_path / "split.txt").write_text("\n".join(SPLIT))
    (tmp_path / "README.md").write_text("not an array")
    dataset = read_features(tmp_path)
    check(dataset)
    # A later change of the file is seen, so no copy was made.
    stored = np.load(tmp_path / "video.npy", mmap_mode="r+")
    stored[0] = 7
    stored.flush()
    assert dataset.load(0)["video"].tolist() == [[7, 7, 7]]


def test_mat(tmp_path):
    cells = np.empty((6, 1), object)
    cells[:, 0] = LABELS
    scipy.io.savemat(
        tmp_path / "my.mat",
        {"video": VIDEO, "audio": AUDIO, "ids": IDS, "label": cells, "split": SPLIT.astype(object)[None]},
    )
    check(read_features(tmp_path / "my.mat"))


def test_mat_73(tmp_path):
    """The layout that MATLAB writes with -v7.3: axes in reverse order, texts as references to UTF-16 units."""
    with h5py.File(tmp_path / "my.mat", "w") as file:
        for name, values in (("video", VIDEO), ("audio", AUDIO)):
            file[name] = values.T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
        for name, texts in (("ids", IDS), ("label", LABELS), ("split", SPLIT)):
            cells = file.create_dataset(name, (1, 6), h5py.ref_dtype)
            cells.attrs["MATLAB_class"] = np.bytes_("cell")
            for place, text in enumerate(texts):
                units = np.frombuffer(text.encode("utf-16-le"), "<u2")[:, None]
                held = file.create_dataset(f"#refs#/{name}{place}", data=units)
                held.attrs["MATLAB_class"] = np.bytes_("char")
                cells[0, place] = held.ref
    check(read_features(tmp_path / "my.mat"))


def test_csv(tmp_path):
    header = "ID,label,split," + ",".join([*(f"video_{n}" for n in range(3)), *(f"audio_{n}" for n in range(1, 9))])
    rows = [
        ",".join([IDS[row], LABELS[row], SPLIT[row], *map(repr, VIDEO[row].tolist() + AUDIO[row].ravel().tolist())])
        for row in range(6)
    ]
    (tmp_path / "my.csv").write_text("\n".join([header, *rows]))
    dataset = read_features(tmp_path / "my.csv")
    assert dataset.ids == tuple(IDS) and dataset.labels.tolist() == [1, 0, 1, 0, 1, 0]
    np.testing.assert_allclose(dataset.load(4)["video"], VIDEO[4:5], rtol=1e-6)
    np.testing.assert_allclose(dataset.load(4)["audio"], AUDIO[4].reshape(1, 8), rtol=1e-6)
    (tmp_path / "bad.csv").write_text("id,x_0,x_1\na,1,2\nb,1,\n")
    with pytest.raises(UserError, match=r"Row 3 of .* has something else than a number in x"):
        read_features(tmp_path / "bad.csv")


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"video": VIDEO.tolist(), "audio": AUDIO.tolist(), "id": IDS, "label": LABELS, "split": SPLIT}
    parquet.write_table(pyarrow.table(columns), tmp_path / "my.parquet", row_group_size=4)
    check(read_features(tmp_path / "my.parquet"))
    numbered = {f"video_{n}": VIDEO[:, n] for n in range(3)} | {"labels": [["a", "b"], ["b"], [], ["a"], ["b"], ["a"]]}
    parquet.write_table(pyarrow.table(numbered), tmp_path / "my.parquet")
    dataset = read_features(tmp_path / "my.parquet")
    assert dataset.shapes(0) == {"video": (1, 3)}
    assert dataset.labels.tolist() == [
        [True, True],
        [False, True],
        [False, False],
        [True, False],
        [False, True],
        [True, False],
    ]
    ragged = pyarrow.table({"video": [[1.0, 2.0], [1.0]]})
    parquet.write_table(ragged, tmp_path / "ragged.parquet")
    with pytest.raises(UserError, match=r"video in .* has rows of 1 and of 2 numbers"):
        read_features(tmp_path / "ragged.parquet")
    parquet.write_table(pyarrow.table({"video": [[1.0], None]}), tmp_path / "hole.parquet")
    with pytest.raises(UserError, match=r"video in .* is empty at row 2"):
        read_features(tmp_path / "hole.parquet")


def labels_of(tmp_path, label, **more):
    dataset = read_features(write_npz(tmp_path / "my.npz", video=VIDEO, label=np.asarray(label), **more))
    return dataset.labels.tolist(), dataset.class_names


@pytest.mark.parametrize(
    ("label", "more", "expected", "names"),
    [
        ([7, 1, 7, -1, 30, 1], {}, [1, 0, 1, -1, 2, 0], ("1", "7", "30")),
        ([0, 1, 0, -1, 2, 1], {"class_names": np.array(["x", "y", "z"])}, [0, 1, 0, -1, 2, 1], ("x", "y", "z")),
        ([1, 2, 1, -1, 3, 2], {"class_names": np.array(["x", "y", "z"])}, [0, 1, 0, -1, 2, 1], ("x", "y", "z")),
        ([[1.0], [2], [1], [1], [2], [2]], {}, [0, 1, 0, 0, 1, 1], ("1", "2")),
        (["b", "a", "", "b", "a", "a"], {}, [1, 0, -1, 1, 0, 0], ("a", "b")),
        (["b", "a", "b", "b", "a", "a"], {"class_names": np.array(["b", "c", "a"])}, [0, 2, 0, 0, 2, 2], "bca"),
        (["10", "9", "10", "9", "9", "9"], {}, [1, 0, 1, 0, 0, 0], ("9", "10")),
        (np.eye(6, 2).astype(int), {}, [0, 1, -1, -1, -1, -1], ("0", "1")),
        (
            ["b|a", "a", "b", "", "c", "c|b"],
            {},
            [[i in one for i in "abc"] for one in ("ab", "a", "b", "", "c", "bc")],
            "abc",
        ),
        (
            [[1, 1], [0, 1], [0, 0], [1, 0], [1, 0], [1, 0]],
            {"class_names": np.array(["x", "y"])},
            [[True, True], [False, True], [False, False], [True, False], [True, False], [True, False]],
            "xy",
        ),
    ],
)
def test_labels(tmp_path, label, more, expected, names):
    assert labels_of(tmp_path, label, **more) == (expected, tuple(names))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"label": np.array([0, 1, 2, 0.5, 1, 1])}, r"Item 3 of .* has the label 0\.5: give whole numbers"),
        (
            {"label": np.array([0, 1, 2, 0, 1, 5]), "class_names": np.array(["x", "y", "z"])},
            "Item 5 .* label 5, but only 3",
        ),
        ({"label": LABELS, "class_names": np.array(["dog"])}, "Item 1 of .* has the label cat, which is none of the 1"),
        ({"label": np.full((6, 2), 2)}, r"The labels of item 0 of .* are \[2, 2\]: a row holds 0 and 1"),
        ({"label": np.ones((6, 2)), "class_names": np.array(["x"])}, "names 1 classes, but its labels have 2 columns"),
        ({"label": LABELS[:5]}, "video in .* has 6 rows for 5 items"),
        ({"id": IDS, "audio": AUDIO[:5]}, "audio in .* has 5 rows for 6 items"),
        ({"id": np.array(["a"] * 6)}, "The id a occurs twice"),
        ({"id": IDS, "x": np.where(np.arange(12).reshape(6, 2) == 7, np.nan, 1)}, "x of item f in .* holds NaN"),
        ({"id": IDS, "x": np.where(np.arange(12).reshape(6, 2) == 7, 1e300, 1)}, "x of item f in .* beyond float32"),
        ({"id": IDS, "split": np.array(["train"] * 5 + ["tset"])}, "Item d of .* has the split 'tset'"),
        ({"id": IDS, "split": np.array(["train"] * 5 + [""])}, "Item d states no split while others do"),
        ({"id": IDS, "split": SPLIT, "group": np.array(["g"] * 6)}, r"Items c and b belong together \(g\)"),
        ({"label": np.array([{}] * 6, object)}, "label in .* holds Python objects, which are not read"),
    ],
)
def test_faults_are_one_sentence_that_names_array_and_item(tmp_path, arrays, message):
    with pytest.raises(UserError, match=message):
        read_features(write_npz(tmp_path / "my.npz", **({"video": VIDEO} | arrays)))


def test_files_that_are_none_are_told(tmp_path):
    for name, content, message in (
        ("a.npz", b"torn", "is no npz file"),
        ("a.mat", b"torn", "is no MATLAB file"),
        ("a.parquet", b"torn", "is no parquet file"),
        ("a.pkl", b"", r"is no file of features: give \.csv, \.mat, \.npz, \.parquet, or a folder"),
        ("a.npy", b"", "put the npy files of all modalities in one folder"),
        ("none.npz", None, "There is no file"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=message):
            read_features(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no array"):
        read_features(tmp_path / "empty")
    with pytest.raises(UserError, match="holds no features"):
        read_features(write_npz(tmp_path / "b.npz", label=LABELS))
    np.save(tmp_path / "empty/video.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"video\.npy in .* holds Python objects"):
        read_features(tmp_path / "empty")


def test_names_are_stated_and_then_other_modalities_are_left_out(tmp_path):
    path = write_npz(tmp_path / "my.npz", V=VIDEO, A=AUDIO, extra=VIDEO, who=IDS, y=LABELS, film=np.arange(6) // 2)
    dataset = read_features(path, ("video=V", "audio = A", "id=who", "label=y", "group=film"))
    assert dataset.ids == tuple(IDS) and dataset.class_names == ("cat", "dog")
    assert dataset.shapes(0) == {"video": (1, 3), "audio": (4, 2)}
    for rows in dataset.split.values():
        assert len(rows) % 2 == 0, "a film lies on one side"
    for columns, message in (
        (("video",), "has the entry 'video': write MEANING=ARRAY"),
        (("video=X",), "data.columns names X, but .* holds A, V, extra, film, who, y"),
        (("video=../secret.txt",), "data.columns names"),
        (("video=who",), "who in .* holds <U1 values: features are numbers"),
        (("video=film",), r"film in .* has shape \(6,\): features are"),
        (("video=V", "id=A"), r"id in .* has shape \(6, 4, 2\): give one value for each item"),
    ):
        with pytest.raises(UserError, match=message):
            read_features(path, columns)


def test_two_sides_are_picked_from_many_arrays(tmp_path):
    path = write_npz(tmp_path / "my.npz", clip_sift=VIDEO, clip_stip=2 * VIDEO, sound=AUDIO)
    dataset = read_features(path, sides={"video": "clip_stip", "audio": "sound"})
    assert dataset.shapes(0) == {"video": (1, 3), "audio": (4, 2)}
    np.testing.assert_array_equal(dataset.load(1)["video"], (2 * VIDEO[1:2]).astype(np.float32))
    with pytest.raises(UserError, match="has no features 'text'; choose of clip_sift, clip_stip, sound"):
        read_features(path, sides={"video": "text"})


def test_parts_state_the_split(tmp_path):
    more = {"video_train": VIDEO[:3], "video_val": VIDEO[3:4], "video_test": VIDEO[4:]}
    labels = {"labels_train": [0, 1, 0], "labels_val": [1], "labels_test": [0, 1]}
    dataset = read_features(write_npz(tmp_path / "my.npz", **more, **labels))
    assert [dataset.split[name].tolist() for name in ("train", "val", "test")] == [[0, 1, 2], [3], [4, 5]]
    assert dataset.labels.tolist() == [0, 1, 0, 1, 0, 1]
    np.testing.assert_array_equal(dataset.load(4)["video"], VIDEO[4:5].astype(np.float32))
    alone = read_features(tmp_path / "my.npz", ("video=video_train", "label=labels_train"))
    assert len(alone) == 3 and sum(map(len, alone.split.values())) == 3
    with pytest.raises(UserError, match=r"The parts of labels in .* have 2 and 1 and 2 rows"):
        read_features(write_npz(tmp_path / "my.npz", **more, **(labels | {"labels_train": [0, 1]})))
    with pytest.raises(UserError, match=r"The parts of video in .* have shapes \(3, 3\) and \(1, 3\) and \(2, 2\)"):
        read_features(write_npz(tmp_path / "my.npz", **(more | {"video_test": VIDEO[4:, :2]})))


def test_parts_in_mat_files_are_lists_however_matlab_turns_them(tmp_path):
    content = {
        "I_tr": VIDEO[:4],
        "I_te": VIDEO[4:],
        "T_tr": scipy.sparse.csc_matrix(VIDEO[:4] > 0, dtype=float),
        "T_te": scipy.sparse.csc_matrix(VIDEO[4:] > 0, dtype=float),
        "L_tr": np.array([[1.0, 2, 1, 2]]),
        "L_te": np.array([[1.0, 2]]),
    }
    scipy.io.savemat(tmp_path / "my.mat", content)
    dataset = read_features(tmp_path / "my.mat", ("label=L",), fractions=(0.75, 0.25, 0.0))
    assert dataset.labels.tolist() == [0, 1, 0, 1, 0, 1] and dataset.class_names == ("1", "2")
    np.testing.assert_array_equal(dataset.load(5)["T"], (VIDEO[5:] > 0).astype(np.float32))
    assert dataset.split["test"].tolist() == [4, 5] and len(dataset.split["val"]) == 2


def test_captions_are_on_the_cards(tmp_path):
    path = write_npz(tmp_path / "my.npz", video=VIDEO, caption=np.array([f"item {row}" for row in range(6)]))
    assert read_features(path).card(2).caption == "item 2" and read_features(path).card(2).classes == ()


def test_audio_visual_emotions(real_data):
    path = real_data / "ravdess_au_mfcc/ravdess_au_mfcc.npz"
    dataset = read_features(path, ("label=emotion", "group=actor"))
    assert len(dataset) == 960 and dataset.ids[0] == "01-01-01-01-01-01-01"
    assert dataset.class_names == tuple("12345678")
    assert dataset.shapes(0) == {"visual_au": (1, 35), "audio_mfcc": (1, 259)}
    # The third field of an id is the emotion, the last one the actor.
    assert [int(one.split("-")[2]) - 1 for one in dataset.ids] == dataset.labels.tolist()
    actors = {name: {dataset.ids[row].split("-")[6] for row in rows} for name, rows in dataset.split.items()}
    assert all(actors.values()) and sum(map(len, actors.values())) == 16, "no actor is on two sides"


def test_views_of_consumer_videos(real_data):
    path = real_data / "ccv_video_features/ccv.npz"
    dataset = read_features(path, ("video=view1_sift", "audio=view2_mfcc", "id=index"))
    assert len(dataset) == 4066 and len(dataset.class_names) == 20
    assert dataset.shapes(0) == {"video": (1, 20), "audio": (1, 20)}
    assert set(read_features(path).shapes(0)) == {"view0_stip", "view1_sift", "view2_mfcc"}


def test_wikipedia_as_published(real_data):
    lists = "trainset_txt_img_cat.list:{0}+testset_txt_img_cat.list:{0}"
    columns = ("image=I", "text=T", "id=" + lists.format(1), "label=" + lists.format(3), "class_names=categories.list")
    dataset = read_features(real_data / "wikipedia_xmodal/raw_features.mat", columns)
    assert len(dataset) == 2866 and dataset.split["test"].tolist() == list(range(2173, 2866))
    assert dataset.class_names[0] == "art" and len(dataset.class_names) == 10
    stored = scipy.io.loadmat(real_data / "wikipedia_xmodal/raw_features.mat")
    np.testing.assert_array_equal(dataset.load(2173)["image"], stored["I_te"][:1].astype(np.float32))
    first = (real_data / "wikipedia_xmodal/trainset_txt_img_cat.list").read_text().splitlines()[0].split("\t")
    assert dataset.ids[0] == first[0] and dataset.labels[0] == int(first[2]) - 1
