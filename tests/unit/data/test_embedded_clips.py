"""Rendered clips of the embedded dataset: cuts that can be found, bounded sound, no shortcut by colour or tone."""

import dataclasses
import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from avx.studio.backdrops import distance
from avx.studio.canvas import PAPER, Pen
from avx.studio.catalogue import KINDS, NAMES
from avx.studio.render import render_clip
from avx.studio.scenes import Look
from avx.studio.shots import SIDE, plan_shots
from avx.studio.soundtrack import PEAK


@pytest.fixture(scope="module")
def clips():
    """One clip of each class."""
    return [render_clip(number, 7) for number in range(len(KINDS))]


def histogram_steps(frames: np.ndarray) -> np.ndarray:
    """Half the L1 distance (T - 1,) of consecutive colour histograms with 8 bins a channel: 0 same, 1 disjoint."""
    level = (frames // 32).astype(int)
    code = (level[..., 0] * 64 + level[..., 1] * 8 + level[..., 2]).reshape(len(frames), -1)
    counts = np.stack([np.bincount(row, minlength=512) for row in code]) / code.shape[1]
    return np.abs(np.diff(counts, axis=0)).sum(1) / 2


def test_a_clip_has_the_promised_shapes_and_ranges(clips):
    for number, clip in enumerate(clips):
        assert clip.label == number
        assert clip.clip_id == f"{NAMES[number]}_0000"
        assert clip.frames.shape[1:] == (SIDE, SIDE, 3)
        assert clip.frames.dtype == np.uint8
        seconds = len(clip.frames) / clip.frame_rate
        assert 5 <= seconds <= 6
        assert clip.waveform.dtype == np.float32
        assert len(clip.waveform) == round(seconds * clip.sample_rate)
        assert 0.25 < np.abs(clip.waveform).max() <= PEAK + 1e-6
        assert np.sqrt(np.mean(clip.waveform**2)) > 0.005
        assert len(clip.event_times) == len(clip.event_strengths) >= 1
        assert len(set(clip.captions)) == len(clip.captions) == 3


def test_every_cut_stands_out_from_the_changes_within_shots(clips):
    for clip in clips:
        steps = histogram_steps(clip.frames)
        is_cut = np.zeros(len(steps), bool)
        is_cut[clip.boundary_frames - 1] = True
        assert 1 <= is_cut.sum() <= 3
        assert steps[is_cut].min() > 0.4, clip.clip_id
        assert steps[~is_cut].max() < 0.4, clip.clip_id
        np.testing.assert_array_equal(clip.shot_boundaries, (clip.boundary_frames / 12).astype(np.float32))
        lengths = np.diff([0, *clip.boundary_frames, len(clip.frames)])
        assert lengths.min() >= 1.1 * 12


def test_the_thing_is_large_and_moves(clips):
    for clip in clips:
        steps = np.abs(np.diff(clip.frames.astype(np.int16), axis=0)).max(-1)
        within = np.delete(np.arange(len(steps)), clip.boundary_frames - 1)
        touched = (steps[within] > 40).mean(0) > 0.02
        rows = np.flatnonzero(touched.any(1))
        assert (rows[-1] - rows[0]) / SIDE > 0.35, clip.clip_id
        assert touched.mean() > 0.04, clip.clip_id


def test_a_clip_depends_on_its_number_and_seed_alone(clips):
    again = render_clip(4, 7)
    np.testing.assert_array_equal(again.frames, clips[4].frames)
    np.testing.assert_array_equal(again.waveform, clips[4].waveform)
    assert again.captions == clips[4].captions
    other_seed, other_number = render_clip(4, 8), render_clip(24, 7)
    assert other_number.label == 4
    assert other_number.clip_id == "church_bell_0001"
    for other in (other_seed, other_number):
        assert other.event_times[0] != again.event_times[0]
        assert not np.array_equal(other.waveform[:1000], again.waveform[:1000])


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_what_is_drawn_follows_the_events(kind):
    """The picture right after an event differs from the picture at that moment in a course without any."""
    look = Look((200, 60, 60), (60, 90, 200), (240, 200, 60))
    plan = kind.plan(np.random.default_rng(5), 5.5)
    moment = float(plan.times[len(plan.times) // 2]) + 0.04
    # Nothing ever happens here: tracks rest at 0, and the only event lies far after the clip.
    still = dataclasses.replace(
        plan,
        times=plan.times[:1] + 99,
        strengths=plan.strengths[:1],
        notes=plan.notes[:1],
        tracks={name: np.zeros_like(track) for name, track in plan.tracks.items()},
    )
    drawn = []
    for course in (plan, still):
        picture = Image.new("RGB", (SIDE, SIDE), PAPER)
        unit = 0.35 * SIDE
        kind.draw(Pen(ImageDraw.Draw(picture, "RGBA"), 0, unit, complex(SIDE, SIDE) / 2, unit), course, look, moment)
        drawn.append(np.asarray(picture, np.int16))
    changed = np.abs(drawn[0] - drawn[1]).max(-1) > 40
    assert changed.mean() > 0.005


def test_shots_keep_clear_of_the_thing_and_of_each_other():
    look = Look((200, 60, 60), (60, 90, 200), (240, 200, 60))
    for seed in range(5):
        shots = plan_shots(np.random.default_rng(seed), 66, look)
        assert shots[0].start == 0
        assert shots[-1].stop == 66
        assert all(first.stop == second.start for first, second in itertools.pairwise(shots))
        means = [tuple(np.asarray(shot.backdrop).mean((0, 1))) for shot in shots]
        assert all(distance(first, second) > 0.25 for first, second in itertools.pairwise(means))
        assert all(abs(first.height - second.height) > 0.05 for first, second in itertools.pairwise(shots))


def nearest_centroid_accuracy(features: list, labels: np.ndarray, folds: int = 3) -> float:
    """Share of rows (N, D), each scaled over N, whose nearest class mean over the other folds is their class's."""
    rows = np.asarray(features, np.float64)
    rows = (rows - rows.mean(0)) / rows.std(0)
    correct = np.zeros(len(labels), bool)
    fold = np.arange(len(labels)) // len(KINDS) % folds
    for held_out in range(folds):
        test = fold == held_out
        centroids = np.stack([rows[~test & (labels == label)].mean(0) for label in range(len(KINDS))])
        correct[test] = np.square(rows[test][:, None] - centroids).sum(-1).argmin(1) == labels[test]
    return float(correct.mean())


def spectra(waveform: np.ndarray) -> np.ndarray:
    """Power spectra (T, 257) of windows of 512 samples, half overlapping."""
    starts = range(0, len(waveform) - 512, 256)
    return np.stack([np.abs(np.fft.rfft(waveform[start : start + 512] * np.hanning(512))) ** 2 for start in starts])


def timbre(power: np.ndarray) -> np.ndarray:
    """Mean, spread and mean change of the log energy in bands that widen with frequency."""
    edges = np.unique(np.geomspace(2, 257, 25).astype(int)[:-1])
    bands = np.log(1e-6 + np.add.reduceat(power, edges, axis=1))
    return np.concatenate([bands.mean(0), bands.std(0), np.abs(np.diff(bands, axis=0)).mean(0)])


def outlines(frames: np.ndarray) -> np.ndarray:
    """Histograms of edge directions on a 7 x 7 grid, averaged over frames; colour plays no part."""
    down, right = np.gradient(frames[::6].mean(-1), axis=(1, 2))
    strength = np.hypot(down, right)
    sector = (np.arctan2(down, right) % np.pi / np.pi * 8).astype(int) % 8
    cells = np.stack(
        [(strength * (sector == one)).reshape(len(sector), 7, 16, 7, 16).sum((2, 4)) for one in range(8)], -1
    )
    return (cells / (np.linalg.norm(cells, axis=-1, keepdims=True) + 300)).mean(0).ravel()


@pytest.mark.slow
def test_neither_colour_nor_pitch_gives_the_class_away_but_outline_and_timbre_do():
    labels = np.arange(9 * len(KINDS)) % len(KINDS)
    colours, peaks, shapes, timbres = [], [], [], []
    for number in range(len(labels)):
        clip = render_clip(number, 0)
        power = spectra(clip.waveform)
        colours.append(clip.frames.mean((0, 1, 2)))
        peaks.append([np.log2(2 + power.mean(0)[2:].argmax())])
        shapes.append(outlines(clip.frames))
        timbres.append(timbre(power))
    assert nearest_centroid_accuracy(colours, labels) < 0.25
    assert nearest_centroid_accuracy(peaks, labels) < 0.25
    # The same simple classifier on richer features shows that either modality can be learned.
    assert nearest_centroid_accuracy(shapes, labels) > 0.5
    assert nearest_centroid_accuracy(timbres, labels) > 0.5


def motion(clip) -> np.ndarray:
    """Mean change (T - 1,) from frame to frame, standardised within each shot; 0 at the cuts."""
    change = np.abs(np.diff(clip.frames.astype(np.float32).mean(-1), axis=0)).mean((1, 2))
    track = np.zeros(len(change))
    for start, stop in itertools.pairwise([0, *clip.boundary_frames, len(clip.frames)]):
        shot = change[start : stop - 1]
        track[start : stop - 1] = (shot - shot.mean()) / (shot.std() + 0.1)
    return track


def loudness(clip) -> np.ndarray:
    """Log energy (T - 1,) of the sound in each frame's time but the first's."""
    hop = clip.sample_rate // clip.frame_rate
    energy = [np.mean(clip.waveform[hop * frame : hop * (frame + 1)] ** 2) for frame in range(1, len(clip.frames))]
    return np.log(1e-5 + np.array(energy))


@pytest.mark.parametrize("name", ["bouncing_ball", "telephone"])
def test_a_sound_finds_its_own_pictures_among_its_classmates(name):
    """Correlation of loudness with motion, no learning: clips of one class differ in tempo, rhythm and strength."""
    count = 8
    clips = [render_clip(NAMES.index(name) + len(KINDS) * number, 0) for number in range(count)]
    found = 0
    for own, query in enumerate(clips):
        heard = loudness(query)
        scores = []
        for other in clips:
            seen = motion(other)
            length = min(len(heard), len(seen))
            scores.append(
                max(
                    np.corrcoef(heard[:length], seen[:length])[0, 1],
                    np.corrcoef(np.maximum(np.diff(heard[:length]), 0), seen[1:length])[0, 1],
                )
            )
        found += int(np.argmax(scores)) == own
    assert found >= 5, f"{found} of {count}; chance finds 1"
