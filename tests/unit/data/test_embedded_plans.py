"""Plans, sounds and pens of the embedded dataset, each held to the plan that it should follow."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw

from avx.studio import motions
from avx.studio.canvas import Pen
from avx.studio.captions import captions
from avx.studio.catalogue import KINDS, NAMES
from avx.studio.plans import TRACK_RATE, Plan
from avx.studio.synthesis import glide, noise_band, partials

RATE = 16000
SUSTAINED = {"siren_lamp", "steam_train", "rain_umbrella", "creaking_door", "wood_saw", "windmill", "rolling_waves"}
STRUCK = [name for name in NAMES if name not in SUSTAINED]


def hit(times, strengths) -> Plan:
    return Plan(3.0, np.array(times), np.array(strengths), 0.5, 1.0, np.zeros(len(times), np.int64))


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_every_plan_is_well_formed(kind):
    for seed in range(60):
        plan = kind.plan(np.random.default_rng(seed), 5.25)
        assert len(plan.times) == len(plan.strengths) == len(plan.notes) >= 1
        assert np.all(np.diff(plan.times) > 0)
        assert plan.times[0] >= 0
        assert plan.times[-1] < 5.25
        assert np.all((plan.strengths > 0) & (plan.strengths <= 1))
        assert 0 <= plan.tempo <= 1
        assert 0.5 <= plan.pitch <= 2
        assert all(len(track) > 5.25 * TRACK_RATE for track in plan.tracks.values())


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_the_number_of_events_differs_twofold_within_a_class(kind):
    counts = [len(kind.plan(np.random.default_rng(seed), 5.5).times) for seed in range(60)]
    assert max(counts) >= 2 * min(counts)


def test_the_ball_is_on_the_floor_exactly_when_it_sounds():
    plan = motions.bounces(np.random.default_rng(3), 6.0)
    assert len(plan.times) > 3
    assert np.all(plan.track("height", plan.times) < 0.06)
    between = (plan.times[1:] + plan.times[:-1]) / 2
    assert np.all(plan.track("height", between) > 0.06)
    # A fall from height h takes sqrt(2 h / g), so the flight between two impacts fixes the peak: h = g flight^2 / 8.
    peaks, flights = plan.track("height", between), np.diff(plan.times)
    gravity = 8 * peaks / flights**2
    np.testing.assert_allclose(gravity, gravity[0], rtol=0.02)


def test_a_pendulum_ticks_at_its_lowest_point_and_a_bell_strikes_at_its_extremes():
    clock = motions.swings(0.6, 1.5, at_extremes=False)(np.random.default_rng(0), 6.0)
    assert np.all(np.abs(clock.track("angle", clock.times)) < 0.05)
    bell = motions.swings(0.4, 0.8, at_extremes=True)(np.random.default_rng(0), 6.0)
    np.testing.assert_allclose(np.abs(bell.track("angle", bell.times)), bell.strengths, atol=0.02)


def test_a_tool_lands_on_the_event_and_is_raised_by_its_strength():
    plan = hit([1.0, 2.0], [1.0, 0.4])
    assert plan.lift(1.0) == pytest.approx(0, abs=1e-9)
    assert plan.lift(0.9999) == pytest.approx(0, abs=2e-3)
    heights = [max(plan.lift(time) for time in np.arange(start, start + 1, 0.01)) for start in (0.0, 1.0)]
    np.testing.assert_allclose(heights, [1.0, 0.4], rtol=0.01)
    assert plan.lift(2.5) == 0


def test_pulses_add_up_and_can_be_limited_to_one_note():
    plan = dataclasses.replace(hit([1.0, 1.5], [1.0, 0.5]), notes=np.array([3, 4]))
    assert plan.pulse(0.9) == 0
    assert plan.pulse(1.6, fade=0.2) == pytest.approx(np.exp(-3.0) + 0.5 * np.exp(-0.5))
    assert plan.pulse(1.6, fade=0.2, note=4) == pytest.approx(0.5 * np.exp(-0.5))
    assert [index for index, _, _ in plan.recent(1.6, 0.3)] == [1]
    assert plan.coming(1.2, 0.4) == [(1, pytest.approx(0.3), 0.5)]


@pytest.mark.parametrize("name", STRUCK)
def test_a_struck_thing_gets_louder_at_its_events_and_not_a_tenth_of_a_second_off(name):
    kind = KINDS[NAMES.index(name)]
    rises, mistimed = [], []
    for seed in range(6):
        plan = kind.plan(np.random.default_rng(seed), 5.5)
        power = np.cumsum(np.append(0, kind.sound(plan, np.random.default_rng(seed), RATE) ** 2))
        window = round(0.05 * RATE)

        def rise(times):
            at = np.round(times * RATE).astype(int)
            at = at[(at > window) & (at + window < len(power))]
            after, before = power[at + window] - power[at], power[at] - power[at - window]
            return np.log10((after + 1e-4) / (before + 1e-4))

        rises.extend(rise(plan.times))
        mistimed.extend(rise(plan.times + 0.1))
    assert np.median(rises) > 0.25
    assert np.median(mistimed) < np.median(rises) - 0.25


@pytest.mark.parametrize("name", ["hammer_anvil", "snare_drum", "dripping_tap", "croaking_frog", "guitar"])
def test_a_stronger_event_is_louder(name):
    kind = KINDS[NAMES.index(name)]
    power = [np.sum(kind.sound(hit([1.0], [strength]), np.random.default_rng(0), RATE) ** 2) for strength in (0.4, 1.0)]
    assert power[1] > 3 * power[0]


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_sounds_are_finite_and_as_long_as_the_clip(kind):
    for seed in range(3):
        plan = kind.plan(np.random.default_rng(seed), 5.25)
        sound = kind.sound(plan, np.random.default_rng(seed), RATE)
        assert sound.shape == (round(5.25 * RATE),)
        assert np.all(np.isfinite(sound))
        assert np.abs(sound).max() > 0.05


def test_partials_decay_at_the_rate_asked_for_and_leave_out_what_would_fold_back():
    tone = partials(1.0, [400, 9000], [1.0, 1.0], [0.2, 0.2], RATE)
    spectrum = np.abs(np.fft.rfft(tone))
    assert np.argmax(spectrum) == 400
    assert spectrum[6500:7500].max() < 0.02 * spectrum.max()
    early, late = (np.abs(tone[round(t * RATE) : round((t + 0.05) * RATE)]).max() for t in (0.1, 0.5))
    assert np.log(early / late) == pytest.approx(0.4 / 0.2, rel=0.05)


def test_a_glide_has_the_frequency_it_is_given():
    tone = glide(np.full(RATE, 1234.0), RATE, (1.0, 0.5))
    spectrum = np.abs(np.fft.rfft(tone))
    assert np.argmax(spectrum) == 1234
    assert spectrum[2468] == pytest.approx(spectrum[1234] / 2, rel=0.01)


def test_a_noise_band_keeps_to_its_band_at_unit_power():
    noise = noise_band(np.random.default_rng(0), 4 * RATE, 1000, 2000, RATE)
    assert np.mean(noise**2) == pytest.approx(1)
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequency = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    assert power[(frequency > 900) & (frequency < 2200)].sum() > 0.95 * power.sum()


def marked(pen_of) -> tuple[float, float]:
    """Middle (x, y) in pixels, y down, of a dot drawn at (1, 0.5) by a pen on a 100 x 100 picture."""
    picture = Image.new("RGB", (100, 100))
    pen_of(Pen(ImageDraw.Draw(picture, "RGBA"), 0, 20, 50 + 50j, 20)).circle(1, 0.5, 0.15, (255, 255, 255), None)
    rows, columns = np.nonzero(np.asarray(picture)[..., 0])
    return columns.mean(), rows.mean()


@pytest.mark.parametrize(
    ("pen_of", "expected"),
    [
        (lambda pen: pen, (70, 40)),
        (lambda pen: pen.at(0.5, -1), (80, 60)),
        (lambda pen: pen.at(0, 0, np.pi / 2), (40, 30)),
        (lambda pen: pen.at(0, 0, 0, 2), (90, 30)),
        (lambda pen: pen.at(0, 0, 0, 1, 2), (90, 45)),
        (lambda pen: pen.at(0, 0, np.pi / 2).at(0, 0, 0, 1, 2), (45, 10)),
        (lambda pen: pen.at(1, 0, np.pi / 2).at(0.5, 0.25), (55, 20)),
        (lambda pen: dataclasses.replace(pen, a=-20, b=0), (30, 40)),
        (lambda pen: dataclasses.replace(pen, a=-20, b=0).at(0, 0, np.pi / 2), (60, 30)),
    ],
)
def test_pens_move_turn_scale_stretch_and_mirror(pen_of, expected):
    np.testing.assert_allclose(marked(pen_of), expected, atol=0.8)


def test_captions_name_colour_and_tempo():
    slow = captions(
        ("a {colour} thing goes {speed}", "b {speed} {colour}"), "orange", 0.1, "tiles", True, np.random.default_rng(0)
    )
    assert len(slow) == 2
    assert all("orange" in sentence and "{" not in sentence for sentence in slow)
    assert any(sentence.startswith("an orange thing") for sentence in slow)
    fast = captions(("{colour} {speed}",), "red", 0.99, "tiles", False, np.random.default_rng(0))
    assert "fast" in fast[0] or "quickly" in fast[0]
