"""Draws the training curves: losses, validation metrics and throughput against the step, the best step marked."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import FuncFormatter, NullLocator

from avx.reports.drawing import DASHES, FAINT, PALETTE, drawing, new_figure, png_bytes
from avx.reports.metric_names import direction_words, is_share, lower_is_better, shortened

Series = Mapping[str, tuple[np.ndarray, np.ndarray]]
_FIRST_CHOICE = ("class/map", "class/hit@1", "instance/hit@1", "instance/map")
_TITLES = {
    "losses": "Training losses",
    "examples_per_second": "Examples per second",
    "data_wait_share": "Time spent waiting for data (%)",
}
_MOST_GROUPS = 3
_LOG_BEYOND = 30.0


def best_step(validation: Series) -> tuple[str, int, float] | None:
    """(metric, step, value) of the earliest best step by `class/map`, else by the first MAP, share, or metric."""
    known = {name: of for name, of in validation.items() if np.isfinite(of[1]).any()}
    tests = (lambda name: name == "class/map", lambda name: name.endswith("/map"), is_share, lambda name: True)
    for name in (name for wanted in tests for name in known if wanted(name)):
        steps, values = known[name]
        place = int((np.nanargmin if lower_is_better(name) else np.nanargmax)(values))
        return name, int(steps[place]), float(values[place])
    return None


def _group(name: str) -> str:
    """`video_to_audio/class/map`, the other direction, and their mean `class/map` form the group `class/map`."""
    return name.partition("/")[2] if name.count("/") == 2 else name


def _panels(train: Series, validation: Series) -> dict[str, list[str]]:
    """What is drawn, a plot each: its title to the metrics in it."""
    losses = [name for name in train if name.split("/")[-1].startswith("loss")]
    groups = list(dict.fromkeys(_group(name) for name in validation if not _group(name).startswith("loss")))
    panels = {"losses": losses} if losses else {}
    for group in ([group for group in _FIRST_CHOICE if group in groups] or groups)[:_MOST_GROUPS]:
        panels[group] = [name for name in validation if _group(name) == group]
    panels |= {name: [name] for name in ("examples_per_second", "data_wait_share") if name in train}
    return panels or {name: [name] for name in list(train)[:4]}


def training_curves(train: Series, validation: Series, mark: int | None) -> bytes | None:
    """Small plots against the step, those for which there are values; a vertical line at step `mark`.

    Losses (train full, validation dashed; on a log scale where the terms differ more than 30 times), up to three groups
    of validation metrics with both directions each, examples per second, and the share of time spent waiting for data.
    None where there are no metrics at all.
    """
    panels = _panels(train, validation)
    if not panels:
        return None
    rows = math.ceil(len(panels) / 2)
    last = max((int(steps.max()) for series in (train, validation) for steps, _ in series.values()), default=0) or 1
    with drawing():
        figure = new_figure(10, 3.15 * rows)
        for place, (title, names) in enumerate(panels.items(), start=1):
            axes = figure.add_subplot(rows, min(2, len(panels)), place)
            for index, name in enumerate(names):
                _draw_series(axes, title, name, index, train, validation)
            drawn = [values[np.isfinite(values)] for _, values in ({**train, **validation}[name] for name in names)]
            lowest = min((float(values.min()) for values in drawn if values.size), default=0.0)
            typical = [float(np.median(values)) for values in drawn if values.size]
            if title == "losses" and lowest > 0 and max(typical) > _LOG_BEYOND * min(typical):
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axes.yaxis.set_minor_locator(NullLocator())
            elif title != "losses" or lowest <= 0:
                axes.set_ylim(bottom=min(0.0, lowest))
            if mark is not None:
                axes.axvline(mark, color=FAINT, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
            heading = f"Validation {title.replace('/', ' ')}{' (%)' if is_share(title) else ''}"
            axes.set(title=_TITLES.get(title, heading), xlabel="step", xlim=(0, last * 1.02))
            if len(names) > 1:
                axes.legend(loc="best", handlelength=1.8)
        figure.set_layout_engine("tight", pad=0.8, h_pad=1.8, w_pad=2.0)
        return png_bytes(figure)


def _draw_series(axes, title: str, name: str, index: int, train: Series, validation: Series) -> None:
    colour = PALETTE[index % len(PALETTE)]
    if title == "losses":
        width = 2.3 if name == "loss" else 1.5
        axes.plot(*train[name], color=colour, linewidth=width, label=shortened(name, 26))
        if name in validation:
            axes.plot(*validation[name], color=colour, linestyle="--", linewidth=1.5, label=f"{name}, validation")
        return
    measured = name in validation
    steps, values = validation[name] if measured else train[name]
    scale = 100.0 if is_share(name) or name == "data_wait_share" else 1.0
    label = "mean of both" if name.count("/") == 1 else direction_words(name.split("/")[0])
    look = {"linestyle": DASHES[index % 2], "marker": "o" if measured else None, "markersize": 3.5}
    axes.plot(steps, scale * values, color=colour, label=shortened(label, 32), **look)
