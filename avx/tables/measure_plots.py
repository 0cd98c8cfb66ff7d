"""Draws a measure of several methods as PNG bytes: over the length of hash codes, and video by video."""

from collections.abc import Mapping, Sequence

import numpy as np

from avx.reports.drawing import CHANCE, MARKERS, drawing, line_look, new_figure, png_bytes


def over_bits(
    bits: Sequence[int],
    values: Mapping[str, Sequence[float]],
    deviations: Mapping[str, Sequence[float]],
    chance: float,
    *,
    title: str,
    measure: str,
) -> bytes:
    """`measure` against code length: the first method thick, bars of one deviation, chance dashed grey.

    `values` and `deviations` map a method's name to one number for each entry of `bits`.
    """
    with drawing():
        figure = new_figure(5.2, 4.6)
        axes = figure.add_subplot()
        places = range(len(bits))
        for place, (name, line) in enumerate(values.items()):
            axes.errorbar(
                places, line, deviations[name], marker="o", markersize=4, capsize=3, label=name, **line_look(place)
            )
        axes.axhline(chance, label="chance", **CHANCE)
        axes.set_xticks(list(places), [str(length) for length in bits])
        axes.set(xlabel="code length in bits", ylabel=measure, title=title, ylim=(0, None))
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.15), ncols=3, borderaxespad=0)
        figure.subplots_adjust(left=0.12, right=0.97, top=0.92, bottom=0.29)
        return png_bytes(figure)


def video_curves(curves: Mapping[str, Sequence[float]], measure: str, title: str) -> bytes:
    """`measure` of each method over the videos 1..n (Sun 2024, figures 5 and 6); the legend holds the means."""
    count = len(next(iter(curves.values())))
    numbers = np.arange(1, count + 1)
    with drawing():
        figure = new_figure(8.4, 4.4)
        axes = figure.add_subplot()
        for place, (name, values) in enumerate(curves.items()):
            look = line_look(place) | {"linewidth": 1.6, "marker": MARKERS[place % len(MARKERS)], "markersize": 4.5}
            axes.plot(numbers, values, label=f"{name} (mean {np.mean(values):.3f})", **look)
        axes.set(xlabel="video", ylabel=measure, title=title, xlim=(0.5, count + 0.5))
        axes.set_xticks(numbers if count <= 40 else numbers[:: -(-count // 20)])
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.14), ncols=2, borderaxespad=0)
        figure.subplots_adjust(left=0.085, right=0.985, top=0.925, bottom=0.12 + 0.055 * -(-len(curves) // 2))
        return png_bytes(figure)
