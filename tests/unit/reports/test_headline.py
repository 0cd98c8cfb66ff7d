import numpy as np

from avx.core.result import Direction, Result, ResultRow
from avx.reports.headline import ahead, headline, question


def result_of(levels, intervals=None, gallery="test", queries=0):
    """Rows ours, CCA, chance; `levels` holds {way: {level: {metric: a value for each row}}}."""
    rows = []
    for place, (name, role) in enumerate((("ours", "system"), ("CCA", "baseline"), ("chance", "chance"))):

        def part(values, place=place):
            return {
                level: {metric: of[place] for metric, of in metrics.items() if of[place] is not None}
                for level, metrics in values.items()
            }

        ways = {
            way: Direction(part(values), part((intervals or {}).get(way, {})), np.arange(queries))
            for way, values in levels.items()
        }
        rows.append(ResultRow(name, role, gallery, "", ways))
    return Result({}, tuple(rows))


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{EN DASH}", "-")


def test_the_sentence_leads_with_the_direction_that_finds_videos():
    levels = {
        "video_to_audio": {"class": {"hit@1": (0.6, 0.2, 0.1)}},
        "audio_to_video": {"class": {"hit@1": (0.714, 0.3, 0.05)}},
    }
    intervals = {"audio_to_video": {"class": {"hit@1": ((0.62, 0.791), (0.21, 0.4), None)}}}
    assert plain(headline(result_of(levels, intervals))) == (
        "A sound finds a video of its class first in 71.4 % (62.0-79.1) of queries; CCA 30.0 % (21.0-40.0); "
        "chance 5.0 %."
    )


def test_without_classes_the_own_item_counts():
    result = result_of({"speech_to_thermal": {"instance": {"hit@1": (0.5, None, 0.012)}}})
    said = "A spoken sentence finds an item by thermal of its own first in 50.0 % of queries; chance 1.2 %."
    assert plain(headline(result)) == said


def test_nothing_measured_is_said():
    assert "not measured" in headline(result_of({"a_to_b": {"class": {"hit@1": (None, 0.3, 0.1)}}}))
    assert "not measured" in headline(result_of({}))


def test_a_baseline_that_wins_is_named_with_both_figures_and_intervals():
    levels = {
        "video_to_audio": {"class": {"map": (0.206, 0.252, 0.18)}, "instance": {"map": (0.30, 0.20, 0.1)}},
        "audio_to_video": {"class": {"map": (0.1920, 0.1924, 0.18)}},
    }
    intervals = {"video_to_audio": {"class": {"map": ((0.16, 0.255), (0.2, 0.31), None)}}}
    (said,) = ahead(result_of(levels, intervals, queries=37))
    assert plain(said) == (
        "CCA is ahead of ours in MAP: video → audio, class, 37 queries, 25.2 % (20.0-31.0) against 20.6 % (16.0-25.5)."
    )


def test_a_tie_in_the_shown_digits_and_chance_are_no_win():
    assert ahead(result_of({"a_to_b": {"class": {"map": (0.2, 0.2004, 0.9)}}})) == []


def test_galleries_are_compared_apart():
    train = result_of({"a_to_b": {"class": {"map": (0.2, 0.9, 0.1)}}}, gallery="train")
    test = result_of({"a_to_b": {"class": {"map": (0.5, 0.3, 0.1)}}}, gallery="test")
    (said,) = ahead(Result({}, test.rows + train.rows))
    assert plain(said) == "CCA is ahead of ours in MAP: a → b, class, gallery: train, 90.0 % against 20.0 %."


def test_question_names_what_was_asked():
    result = result_of({"video_to_audio": {}, "audio_to_video": {}}, queries=7)
    asked = question(Result({"dataset": "AVE", "class_names": ["a", "b"]}, result.rows))
    assert asked == "Asked: video → audio (7 queries) and audio → video (7 queries). AVE, gallery: test, 2 classes."
