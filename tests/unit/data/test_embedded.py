"""The embedded dataset's builder: real files, built once, whole or not at all, without a network."""

import csv
import socket

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data.sets import embedded
from avx.media.decode import read_clip
from avx.studio import render
from avx.studio.catalogue import NAMES

CLIPS = 3


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder with the dataset of three clips, built where any use of a socket fails."""
    folder = tmp_path_factory.mktemp("embedded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the builder asked for a network"))
        embedded.build(folder, clips=CLIPS, seed=11, workers=1)
    return folder


@pytest.fixture(scope="module")
def examples(data_dir):
    """clip_id -> example."""
    source = embedded.load(data_dir, clips=CLIPS, seed=11)
    return {one["clip_id"].decode(): one for one in source}


def test_examples_hold_the_rendered_truth(examples):
    assert sorted(examples) == ["bouncing_ball_0000", "hammer_anvil_0000", "pendulum_clock_0000"]
    for number in range(CLIPS):
        clip = render.render_clip(number, 11)
        one = examples[clip.clip_id]
        assert one["label"] == number
        assert one["caption"].decode() == clip.captions[0]
        assert [text.decode() for text in one["captions"]] == list(clip.captions)
        np.testing.assert_array_equal(one["shot_boundaries"], clip.shot_boundaries)
        np.testing.assert_array_equal(one["event_times"], clip.event_times)
        np.testing.assert_array_equal(one["event_strengths"], clip.event_strengths)
        assert one["frame_rate"] == 12


def test_media_are_real_files_in_step_with_the_rendering(examples):
    for number in range(CLIPS):
        clip = render.render_clip(number, 11)
        decoded = read_clip(
            examples[clip.clip_id]["media"], clip_id=clip.clip_id, frame_rate=None, size=None, sample_rate=16000
        )
        assert decoded.frames.shape == clip.frames.shape
        np.testing.assert_allclose(decoded.frame_times, np.arange(len(clip.frames)) / 12, atol=1e-3)
        assert np.abs(decoded.frames.astype(float) - clip.frames).mean() < 6
        assert np.abs(decoded.waveform).max() <= 0.95
        length = min(len(decoded.waveform), len(clip.waveform))
        assert length > 0.98 * len(clip.waveform)
        # The sound codec shifts nothing: the best alignment of rendered and decoded sound is at lag 0.
        size = 1 << (2 * length).bit_length()
        spectrum = np.fft.rfft(decoded.waveform[:length], size) * np.conj(np.fft.rfft(clip.waveform[:length], size))
        lag = int(np.argmax(np.fft.irfft(spectrum, size)))
        assert min(lag, size - lag) <= 2


def test_a_second_build_gives_the_same_bytes(data_dir, tmp_path):
    embedded.build(tmp_path, clips=CLIPS, seed=11, workers=1)
    first = {path.relative_to(data_dir): path.read_bytes() for path in data_dir.rglob("*.array_record*")}
    second = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.array_record*")}
    assert first
    assert first == second


def test_a_built_dataset_is_not_rendered_again(data_dir, monkeypatch):
    monkeypatch.setattr(render, "example", lambda *_, **__: pytest.fail("rendered again"))
    builder = embedded.build(data_dir, clips=CLIPS, seed=11, workers=1)
    assert builder.info.features["label"].names == list(NAMES)
    assert len(builder.as_data_source(split="all")) == CLIPS


def test_an_interrupted_build_leaves_nothing_and_can_be_repeated(tmp_path, monkeypatch):
    whole = render.example

    def fails_at_the_second(clip_number, seed):
        if clip_number == 1:
            raise UserError("stopped")
        return whole(clip_number, seed)

    monkeypatch.setattr(render, "example", fails_at_the_second)
    with pytest.raises(UserError, match="stopped"):
        embedded.build(tmp_path, clips=2, seed=0, workers=1)
    assert not list(tmp_path.rglob("*.array_record*"))
    with pytest.raises(UserError, match="holds no embedded dataset of 2 clips with seed 0"):
        embedded.load(tmp_path, clips=2, seed=0)
    monkeypatch.setattr(render, "example", whole)
    assert len(embedded.build(tmp_path, clips=2, seed=0, workers=1).as_data_source(split="all")) == 2


def test_counts_and_seeds_have_folders_of_their_own(data_dir):
    folders = [path.parent.name for path in data_dir.glob("embedded_clips/*/1.0.0")]
    assert len(folders) == 1
    assert folders[0].startswith("3_clips_seed_11_")
    with pytest.raises(UserError, match="holds no embedded dataset"):
        embedded.load(data_dir, clips=CLIPS, seed=12)
    with pytest.raises(UserError, match="holds no embedded dataset"):
        embedded.load(data_dir, clips=CLIPS + 1, seed=11)


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"seed": -1}, {"workers": 0}])
def test_impossible_numbers_are_refused(tmp_path, wrong):
    with pytest.raises(UserError, match="embedded dataset needs at least"):
        embedded.build(tmp_path, **{"clips": 1, "seed": 0, "workers": 1, **wrong})


def test_export_writes_files_that_a_manifest_names(data_dir, examples, tmp_path):
    embedded.export(data_dir, tmp_path / "clips", clips=CLIPS, seed=11)
    with (tmp_path / "clips" / "clips.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["clip_id"] for row in rows] == sorted(examples)
    for row in rows:
        assert (tmp_path / "clips" / row["file"]).read_bytes() == examples[row["clip_id"]]["media"]
        assert row["label"] == row["clip_id"][:-5]
        assert row["caption"] == examples[row["clip_id"]]["caption"].decode()


@pytest.mark.slow
def test_two_processes_render_what_one_does(data_dir, tmp_path):
    embedded.build(tmp_path, clips=CLIPS, seed=11, workers=2)
    alone, together = (embedded.load(folder, clips=CLIPS, seed=11) for folder in (data_dir, tmp_path))
    for one, two in zip(alone, together, strict=True):
        assert one["clip_id"] == two["clip_id"]
        assert one["media"] == two["media"]
