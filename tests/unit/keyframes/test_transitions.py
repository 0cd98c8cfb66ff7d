"""Cuts, fades and dissolves on made films with known ones; what is none of them; pieces; scenes."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.keyframes import transitions
from avx.keyframes.transitions import (
    Scene,
    Transition,
    TransitionConfig,
    find_transitions,
    frame_differences,
    mixtures,
    scenes_between,
    structural_difference,
)

RNG = np.random.default_rng(5)
PICTURES = RNG.random((6, 8, 8, 3)).astype(np.float32)


def described(frames):
    """Histograms of 8 grey levels, shared between neighbours, and the pictures themselves as tiles."""
    frames = np.asarray(frames, np.float32)
    level = np.clip(frames.mean(-1).reshape(len(frames), -1) * 8 - 0.5, 0, 7)
    shares = np.maximum(1 - np.abs(level[..., None] - np.arange(8)), 0)
    return shares.mean(1).astype(np.float32), frames.reshape(len(frames), -1)


def found(frames, **constants):
    return find_transitions(*described(frames), TransitionConfig(**constants))


def still(picture, count, noise=0.01):
    return picture + noise * RNG.normal(size=(count, *picture.shape)).astype(np.float32)


def mixed(first, second, count):
    share = np.arange(1, count + 1, dtype=np.float32)[:, None, None, None] / (count + 1)
    return (1 - share) * first + share * second


def contrasted(number):
    """A picture of its own structure and brightness, so that its histogram differs from its neighbours'."""
    return np.clip(PICTURES[number] * 0.5 + 0.5 * (number % 2), 0, 1)


def test_six_shots_have_five_cuts_to_the_frame():
    lengths = (9, 4, 12, 20, 3, 11)
    frames = np.concatenate([still(contrasted(number), length) for number, length in enumerate(lengths)])
    assert found(frames) == [Transition("cut", end - 1, end) for end in np.cumsum(lengths)[:-1].tolist()]


@pytest.mark.parametrize("length", [5, 9, 20, 40])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_fades_are_one_gradual_transition_and_no_cut(length, level):
    """Down to black, grey or white, and up to another picture."""
    plain = np.full_like(PICTURES[0], level)
    parts = (
        still(contrasted(0), 30, 0.002),
        mixed(contrasted(0), plain, length),
        still(plain, 40, 0.002),
        mixed(plain, contrasted(3), length),
        still(contrasted(3), 30, 0.002),
    )
    got = found(np.concatenate(parts))
    assert [transition.kind for transition in got] == ["fade", "fade"]
    down, up = (29, 30 + length), (69 + length, 70 + 2 * length)
    for transition, (first, last) in zip(got, (down, up), strict=True):
        assert abs(transition.first - first) <= 2 + length // 5 and abs(transition.last - last) <= 2 + length // 5
        assert first < transition.boundary <= last


def test_a_dissolve_is_found_where_it_lies():
    frames = np.concatenate(
        [still(contrasted(0), 25), mixed(contrasted(0), contrasted(1), 14), still(contrasted(1), 25)]
    )
    (got,) = found(frames)
    assert got.kind == "dissolve"
    assert abs(got.first - 24) <= 2 and abs(got.last - 39) <= 2


def test_flashes_pans_and_exposure_are_no_transitions():
    """One and two bright frames, a picture that wanders, a jump of brightness by an eighth."""
    wide = np.repeat(np.repeat(RNG.random((8, 60, 3)), 1, 0), 3, 1).astype(np.float32)
    pan = np.stack([wide[:, step : step + 8] for step in range(0, 100, 2)])
    flash = still(contrasted(2), 30)
    flash[10] += 0.4
    flash[20:22] += 0.4
    exposed = still(contrasted(2), 30)
    exposed[15:] *= 1.12
    for frames in (pan, flash, exposed):
        assert found(frames) == []
    assert found(flash, persistence=0, neighbors=1, contrast=0.05) != [], "the flash is there"


def test_plain_shots_of_different_colours_are_cut():
    plain = np.ones((3, 1, 8, 8, 3), np.float32) * np.array([[0.8, 0.1, 0.1], [0.1, 0.6, 0.2], [0.1, 0.2, 0.8]])[
        :, None, None, None
    ].astype(np.float32)
    frames = np.concatenate([plain[number].repeat(10, 0) for number in range(3)])
    histograms = np.eye(3, dtype=np.float32)[np.repeat(np.arange(3), 10)]
    got = find_transitions(histograms, frames.reshape(30, -1))
    assert got == [Transition("cut", 9, 10), Transition("cut", 19, 20)]


def test_differences_need_colour_and_structure():
    histograms, tiles = np.eye(2, dtype=np.float32), PICTURES[:2].reshape(2, -1)
    both = float(frame_differences(histograms, tiles)[0])
    assert both == pytest.approx(np.sqrt(float(structural_difference(tiles[0], tiles[1]))), rel=1e-5)
    assert float(frame_differences(histograms[[0, 0]], tiles)[0]) == 0
    assert float(frame_differences(histograms, tiles[[0, 0]])[0]) == pytest.approx(0, abs=1e-3)


def test_structural_difference_is_one_minus_ssim():
    first, other = PICTURES[0].reshape(-1).astype(np.float64), PICTURES[1].reshape(-1).astype(np.float64)
    second = 0.5 * first + 0.3 * other
    covariance, constant = np.cov(first, second, bias=True), transitions.FLAT_VARIANCE
    structure = (2 * covariance[0, 1] + constant) / (covariance[0, 0] + covariance[1, 1] + constant)
    means = first.mean(), second.mean()
    brightness = (2 * means[0] * means[1] + constant) / (means[0] ** 2 + means[1] ** 2 + constant)
    got = structural_difference(first.astype(np.float32), second.astype(np.float32))
    assert float(got) == pytest.approx(1 - structure * brightness, abs=1e-5)


def test_mixtures_lie_on_the_line_between_their_ends():
    first, second = PICTURES[0].reshape(-1), PICTURES[1].reshape(-1)
    way = np.stack([first + share * (second - first) for share in np.linspace(0, 1, 9)])
    off = way.copy()
    off[4] += 0.3 * np.linalg.norm(second - first) * np.eye(len(first), dtype=np.float32)[0]
    mask, config = np.ones(9, bool), TransitionConfig()
    assert mixtures(way, mask, 8, config).tolist() == [True]
    assert mixtures(off, mask, 8, config).tolist() == [False]
    assert mixtures(way, np.arange(9) < 8, 8, config).tolist() == [False], "its end is padding"
    assert mixtures(way[[0, 0, 0, 0, 0, 8, 8, 8, 8]], mask, 8, config).tolist() == [False], "a cut"


def test_pieces_join_without_a_seam(monkeypatch):
    """Cuts, a fade and a dissolve at many places of pieces of 16 frames."""
    parts = [still(contrasted(number % 6), 7 + number) for number in range(8)]
    parts[3] = np.concatenate([parts[3], mixed(contrasted(3), contrasted(4), 12)])
    frames = np.concatenate(parts)
    whole = found(frames)
    assert {transition.kind for transition in whole} == {"cut", "dissolve"} and len(whole) == 7
    monkeypatch.setattr(transitions, "PIECE", 16)
    assert found(frames) == whole


def test_short_films_and_scenes():
    assert found(PICTURES[:1]) == []
    assert found(np.stack([contrasted(0), contrasted(1)])) == [Transition("cut", 0, 1)]
    assert scenes_between([], 1) == [Scene(0, 0, "start")]
    scenes = scenes_between([Transition("cut", 4, 5), Transition("dissolve", 9, 12)], 20)
    assert [(scene.first, scene.last) for scene in scenes] == [(0, 4), (5, 10), (11, 19)]
    assert [scene.transition for scene in scenes] == ["start", "cut", "dissolve"]


@pytest.mark.parametrize("change", [{"contrast": 0.0}, {"persistence": -1}, {"spans": (12, 6)}, {"spans": (3,)}])
def test_impossible_constants(change):
    with pytest.raises(UserError, match=f"transitions.{next(iter(change))}"):
        TransitionConfig(**change)
