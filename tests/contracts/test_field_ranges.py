"""Every number of every config has a declared range, and what lies outside of it is refused before any work."""

import math
from pathlib import Path

import pytest
from test_configs import CONFIGS, load, name_of

from avx.core.errors import UserError
from avx.core.ranges import Range, positive, whole
from avx.runs import field_ranges, job, settings
from avx.runs.studies import overridden

pytestmark = pytest.mark.usefixtures("one_device")

IMPOSSIBLE = (-1, math.inf, -math.inf, math.nan, 2**70, -(2**70))


def numbers_of(config):
    """(dotted field, value) of every field that holds a number or some of them."""
    for field, value in settings.flattened(config):
        values = value if isinstance(value, tuple) else (value,)
        if values and all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
            yield field, value


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_every_number_of_every_config_is_refused_outside_of_its_range(path):
    config = load(path)
    fields = list(numbers_of(config))
    assert len(fields) > 5
    for field, value in fields:
        row = field_ranges.range_of(field)
        assert row is not None, f"{field} has no row in avx/runs/field_ranges.py"
        for wrong in IMPOSSIBLE:
            wrong = float(wrong) if isinstance(value, float) else wrong
            given = (*value[1:], wrong) if isinstance(value, tuple) else wrong
            possible = wrong in row
            assert not possible or wrong == -1, f"{field} = {wrong} is said to be possible"
            try:
                settings.check_ranges(settings.flattened(overridden(config, {field: given})))
            except UserError as error:
                assert not possible, f"{field} = {wrong}: {error}"
                text = str(error)
                assert text.startswith((f"{field} = ", f"each of {field} = ", "an override cannot be applied: ")), text
                assert "\n" not in text
            else:
                assert possible, f"{field} = {wrong} passed"
                settings.check(overridden(config, {field: given}))


def test_every_row_is_that_of_a_field():
    known = {field for path in CONFIGS for field, _ in settings.flattened(load(path))}
    groups = {field.rpartition(".")[0] for field in known}
    for group, rows in field_ranges.RANGES.items():
        for name in rows if group in groups else ():
            assert f"{group}.{name}".lstrip(".") in known, f"{group}.{name} is no field of any config"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", 2**40),
        ("seed", True),
        ("data.workers", -1),
        ("data.workers", 10**9),
        ("data.split_fractions", (0.5, 0.6, 0.1)),
        ("data.split_fractions", (0.5, 0.5)),
        ("data.split_fractions", (0.0, 0.5, 0.5)),
        ("data.split_seed", -1),
        ("data.clips", 0),
        ("decode.short_side", -5),
        ("decode.frame_rate", math.inf),
        ("decode.sample_rate", 0),
        ("features.audio_hop_seconds", 0.125),
        ("features.mfcc_hop_seconds", math.nan),
        ("model.lstm_size", 0),
        ("model.audio_widths", ()),
        ("model.audio_widths", (8, "16")),
        ("model.audio_widths", (8, 1.5)),
        ("model.audio_widths", (8, True)),
        ("optimizer.learning_rate", math.inf),
        ("optimizer.learning_rate", 0.0),
        ("baselines.cca.dimensions", (5, 0)),
        ("baselines.cca.ridge", (math.nan,)),
    ],
)
def test_a_run_is_refused_before_its_folder_is_made(field, value, tmp_path):
    config = overridden(load(Path("configs/quickstart.py").resolve()), {field: value})
    with pytest.raises(UserError, match=f"{field} "):
        job.run(config, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_fields_of_ones_own_must_be_finite():
    field_ranges.check_ranges([("model.own", 5), ("model.text", "x"), ("own.more", (1.0, 2.0)), ("model.flag", True)])
    for value in (math.inf, (1.0, math.nan)):
        with pytest.raises(UserError, match=r"^model\.own = "):
            field_ranges.check_ranges([("model.own", value)])


def test_candidates_have_the_range_of_their_constant():
    field_ranges.check_ranges([("grid.prediction", ()), ("grid.bits", (16, 32)), ("grid.standardise", (True, False))])
    for field in ("grid.bits", "baselines.scm.bits"):
        with pytest.raises(UserError, match=rf"each of {field} = \(16, 0\) must be .* in \[1, 4096\], not 0"):
            field_ranges.check_ranges([(field, (16, 0))])
    with pytest.raises(UserError, match=r"baselines\.scm\.bits is empty"):
        field_ranges.check_ranges([("baselines.scm.bits", ())])


def test_ends_of_a_range_belong_to_it_or_not():
    assert 0 in Range(0, 1) and 1 in Range(0, 1)
    assert 0 not in positive(2) and 2 in positive(2) and 1e-300 in positive(2)
    assert 1.0 not in whole(0, 5) and 5 in whole(0, 5) and 6 not in whole(0, 5) and True not in whole(0, 5)
    hops = Range(0.01, 1, multiple_of=0.01)
    assert 0.96 in hops and 0.29 in hops and 0.125 not in hops and 0.0 not in hops
    assert str(hops) == "a multiple of 0.01 in [0.01, 1]" and str(positive(2)) == "a number in (0, 2]"
