"""What augmentation may change and what it may not."""

import jax
import numpy as np

from avx.signal.augment import augment_frames, augment_log_mel

GENERATOR = np.random.default_rng(0)
KEYS = jax.random.split(jax.random.key(0), 64)
frames_by_key = jax.jit(jax.vmap(augment_frames, (0, None)))
log_mel_by_key = jax.jit(jax.vmap(augment_log_mel, (0, None)))


def test_all_frames_of_a_clip_change_alike():
    frame = GENERATOR.integers(0, 255, (1, 16, 20, 3)).astype(np.uint8)
    changed = frames_by_key(KEYS, np.repeat(frame, 3, axis=0))
    np.testing.assert_array_equal(changed[:, 0], changed[:, 2])
    assert changed.min() >= 0 and changed.max() <= 1
    assert len(np.unique(np.asarray(changed)[:, 0, 8, 10, 0])) > 32


def test_a_grey_field_keeps_its_shape_and_only_changes_colour():
    flat = np.full((2, 8, 8, 3), 100, np.uint8)
    changed = np.asarray(frames_by_key(KEYS, flat))
    assert (np.ptp(changed, axis=(1, 2, 3)) < 1e-6).all()
    gains = changed[:, 0, 0, 0] / (100 / 255)
    assert gains.min() > 1 / 1.3 - 1e-4 and gains.max() < 1.3 + 1e-4
    assert gains.min() < 0.85 and gains.max() > 1.15


def test_pictures_are_mirrored_for_about_half_of_the_keys():
    ramp = np.tile(np.linspace(0, 200, 32).astype(np.uint8)[None, None, :, None], (1, 8, 1, 3))
    changed = np.asarray(frames_by_key(KEYS, ramp))
    mirrored = changed[:, 0, 4, 2, 0] > changed[:, 0, 4, 29, 0]
    assert 0.3 < mirrored.mean() < 0.7


def test_pitch_moves_by_at_most_three_bands():
    tone = np.zeros((1, 40, 32), np.float32)
    tone[:, :, 16] = 100
    changed = np.asarray(log_mel_by_key(KEYS, tone))
    places = {int(band) for clip in changed for band in np.flatnonzero((clip == 100).any((0, 1)))}
    assert places == set(range(13, 20))


def test_hidden_places_hold_the_mean_and_are_bounded():
    noise = GENERATOR.normal(size=(2, 40, 32)).astype(np.float32)
    changed = np.asarray(log_mel_by_key(KEYS, noise))
    hidden = np.isclose(changed, noise.mean())
    assert (hidden.all((1, 3)).sum(1) <= 16).all()
    assert (hidden.all((1, 2)).sum(1) <= 8).all()
    assert hidden.any((1, 2, 3)).mean() > 0.8


def test_one_key_gives_one_result():
    noise = GENERATOR.normal(size=(2, 40, 32)).astype(np.float32)
    first = log_mel_by_key(KEYS, noise)
    np.testing.assert_array_equal(log_mel_by_key(KEYS, noise), first)
    assert (first[3] != first[4]).any()
