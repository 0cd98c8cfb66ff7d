import math

import pytest

from avx.reports.metric_names import (
    both_ends,
    direction_words,
    format_fact,
    format_value,
    last_digit,
    lower_is_better,
    printable,
    shortened,
)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("hit@5", 0.7142, "71.4"),
        ("video_to_audio/class/wmap", 0.05, "5.0"),
        ("mdr", 3.5, "3.5"),
        ("loss_label", 0.123456, "0.1235"),
        ("examples_per_second", 412.27, "412.3"),
        ("map", None, "-"),
        ("map", math.nan, "-"),
    ],
)
def test_values_are_shown_in_their_unit(name, value, text):
    assert format_value(name, value) == text


@pytest.mark.parametrize(("name", "value"), [("hit@1", 0.512), ("mnr", 17.3), ("loss", 0.1235), ("loss", 412.3)])
def test_the_last_digit_is_the_step_of_what_is_shown(name, value):
    step = last_digit(name, value)
    assert (
        format_value(name, value + 1.001 * step) != format_value(name, value) == format_value(name, value + 0.4 * step)
    )


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("train seconds", 310.51234, "311 s"),
        ("seconds", 2.349, "2.3 s"),
        ("ridge", 0.01, "0.01"),
        ("steps", 3, "3"),
        ("lr", 3e-5, "3e-05"),
        ("scale", 2.0, "2"),
        ("tried", [8, 16.0], "8, 16"),
        ("tried", [], "none"),
        ("lost", math.inf, "inf"),
    ],
)
def test_facts_are_rounded_for_people(name, value, text):
    assert format_fact(name, value) == text


def test_order_follows_the_metric_not_its_path():
    assert lower_is_better("video_to_audio/instance/mnr")
    assert lower_is_better("loss")
    assert not lower_is_better("loss_of_nothing/hit@1")


def test_words_of_a_direction():
    assert direction_words("speech_to_video") == "speech → video"
    assert direction_words("fused") == "fused"


def test_text_cannot_steer_a_terminal_or_reorder_a_line_and_is_always_utf8():
    assert printable("a\x1b[31mb\nc\u202ed") == "a [31mb c d"
    assert printable("file\udcff.mp4").encode("utf-8") == b"file?.mp4"


def test_identifiers_keep_both_ends_and_texts_their_start():
    assert both_ends("recording_of_clip_0042", 12) == "recor…p_0042"
    assert both_ends("clip_0042", 9) == shortened("clip_0042", 9) == "clip_0042"
    assert shortened("one more word", 9) == "one more…"
