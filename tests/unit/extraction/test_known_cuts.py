"""Transitions of rendered clips, and of the real ones, are found through the whole reading path."""

import numpy as np
import pytest

from avx.extraction.film import read_film
from avx.extraction.frame_features import FrameDescriber, colour_histogram
from avx.keyframes.agreement import cut_score
from avx.media.encode import write_clip
from avx.studio.render import render_clip
from tests.real_transitions import GRADUAL, part_of, real_films, seen_transitions


@pytest.fixture(scope="module")
def describer():
    return FrameDescriber(colour_histogram())


def cuts_of(film):
    return [found.last for found in film.transitions if found.kind == "cut"]


@pytest.mark.parametrize("clip_number", [1, 6, 9, 12, 19])
def test_cuts_of_rendered_clips(describer, clip_number):
    """Precision and recall 1 to the frame, for one to three cuts and the classes that move most."""
    clip = render_clip(clip_number, seed=0)
    media = write_clip(None, clip.frames, clip.frame_rate, np.zeros(0, np.float32), 16000)
    film = read_film(describer, media, 2.0)
    assert cuts_of(film) == list(clip.boundary_frames)
    assert set(film.scene_of.tolist()) == set(range(len(film.scenes))), "every scene has a described frame"


@pytest.mark.slow
@pytest.mark.parametrize("part", ["chosen", "shown"])
def test_transitions_of_the_real_clips(describer, real_data, part):
    """Every frame of 43 clips against the table of what was seen; the constants were chosen on one half alone."""
    films, seen = real_films(real_data), seen_transitions()
    assert {one.clip for one in seen} <= set(films)
    assert all(one.part == part_of(one.clip, films) for one in seen)
    hits = false = cuts = gradual = found_gradual = invented = 0
    for name, path in films.items():
        if part_of(name, films) != part:
            continue
        film = read_film(describer, path, 0.5)
        own = [one for one in seen if one.clip == name]
        true = np.array([one.last for one in own if one.kind == "cut"], int)
        found = np.array(cuts_of(film), int)
        right = round(cut_score(found, true, tolerance=0).recall * len(true))
        hits, false, cuts = hits + right, false + len(found) - right, cuts + len(true)
        slow = [(one.first, one.last) for one in own if one.kind in GRADUAL]
        runs = [(one.first, one.last) for one in film.transitions if one.kind != "cut"]
        assert not [cut for cut in found for first, last in slow if first < cut <= last], f"a cut in a fade of {name}"
        gradual += len(slow)
        found_gradual += sum(any(a < last and b > first for a, b in runs) for first, last in slow)
        invented += sum(not any(a < last and b > first for first, last in slow) for a, b in runs)
    assert cuts == {"chosen": 4, "shown": 9}[part]
    assert 2 * hits / (hits + false + cuts) >= 0.85
    assert hits == cuts and false <= 1
    assert found_gradual >= 0.5 * gradual and invented == 0
