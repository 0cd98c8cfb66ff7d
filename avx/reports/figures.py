"""Draws the plots of a report as PNG bytes: curves, confusion, attention, embedding. Arrays and names in, bytes out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from avx.reports.array_files import Attention, Embedding
from avx.reports.drawing import CHANCE, FAINT, GROUND, INK, MARKERS, PALETTE, drawing, line_look, new_figure, png_bytes
from avx.reports.examples import spread
from avx.reports.metric_names import both_ends, shortened

NAMED_CLASSES, DRAWN_CLASSES, DRAWN_ITEMS = 40, 24, 600
_DROPPED: dict[str, Any] = {"facecolor": GROUND, "hatch": "////", "edgecolor": FAINT}


def precision_recall(curves: Mapping[str, Mapping[str, Any]], title: str, chance: str = "chance") -> bytes:
    """Precision against recall, one line for each method: the first thick, that named `chance` dashed grey.

    `curves` maps a name to {"recall": values, "precision": values}, shares in [0, 1].
    """
    with drawing():
        figure = new_figure(5.2, 5.7)
        axes = figure.add_subplot()
        for place, (name, curve) in enumerate(curves.items()):
            look = CHANCE if name == chance else line_look(place)
            axes.plot(curve["recall"], curve["precision"], label=shortened(name, 32), **look)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title=title)
        axes.set_aspect("equal", adjustable="box")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.11), ncols=min(3, len(curves)), borderaxespad=0)
        figure.subplots_adjust(left=0.13, right=0.97, top=0.94, bottom=0.174)
        return png_bytes(figure)


def confusion(counts: np.ndarray, names: Sequence[str], query: str, gallery: str) -> bytes:
    """Shares of each class's queries by the class of their best item: rows the query's class, columns the item's.

    `counts (C, C)`; classes without queries stay white. Up to 12 classes the percentages are written into the cells,
    beyond 40 classes the names are left out.
    """
    classes = len(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    with drawing():
        side = float(np.clip(0.42 * classes + 1.9, 4.6, 9.0))
        figure = new_figure(side + 0.5, side)
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        axes.grid(False)
        axes.set_xlabel(f"class of the {gallery} at rank 1", labelpad=8)
        axes.set_ylabel(f"class of the {query} asking", labelpad=10)
        if classes <= NAMED_CLASSES:
            labels = [shortened(name, 16) for name in names]
            axes.set_xticks(range(classes), labels, rotation=45, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(classes), labels)
            axes.tick_params(labelsize=7 if classes > 20 else None)
        for row, column in np.argwhere(shares >= 0.005) if classes <= 12 else ():
            share = shares[row, column]
            ink = "white" if share > 0.55 else INK
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=9, color=ink)
        for spine in axes.spines.values():
            spine.set_visible(False)
        bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.03, ticks=[0, 0.5, 1])
        bar.ax.set_yticklabels(["0 %", "50 %", "100 %"])
        bar.outline.set_visible(False)
        figure.set_layout_engine("tight")
        return png_bytes(figure)


def attention_strips(attention: Attention, count: int = 12) -> bytes:
    """One strip for each of `count` items, evenly spread over the file: bars over the blocks, as high as their weight.

    Kept blocks are blue with a dot on top, dropped ones grey and hatched; padding is not drawn. Each strip is scaled to
    its own largest weight, which is written beside it.
    """
    chosen = spread(np.arange(len(attention.ids)), count)
    last = np.nanmax(np.where(np.isnan(attention.weights[chosen]), 0.0, attention.end[chosen]), initial=0.0) or 1.0
    with drawing():
        figure = new_figure(10, 0.62 * len(chosen) + 1.15)
        axes = figure.add_subplot()
        for row, item in enumerate(chosen):
            blocks = np.flatnonzero(~np.isnan(attention.weights[item]))
            largest = attention.weights[item, blocks].max(initial=0.0)
            axes.axhline(row, color="#BBBBBB", linewidth=0.8, zorder=1)
            for block in blocks:
                start, end = attention.start[item, block], attention.end[item, block]
                height = 0.74 * attention.weights[item, block] / largest if largest else 0.0
                kept = attention.kept[item, block]
                gap = 0.06 * (end - start)
                corner = (start + gap, row - height)
                look = {"facecolor": PALETTE[0]} if kept else _DROPPED
                axes.add_patch(Rectangle(corner, end - start - 2 * gap, height, linewidth=0, **look))
                if kept:
                    axes.plot((start + end) / 2, row - height - 0.09, ".", color=PALETTE[0], markersize=4)
            axes.text(1.01 * last, row - 0.05, f"max {largest:.3f}", va="bottom", fontsize=9, color="#555555")
        axes.set_yticks(np.arange(len(chosen)) - 0.3, [both_ends(attention.ids[item], 18) for item in chosen])
        axes.set(xlim=(0, last), ylim=(len(chosen) - 0.75, -1.0), xlabel="time (s)")
        axes.grid(False, axis="y")
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        handles = [Rectangle((0, 0), 1, 1, facecolor=PALETTE[0]), Rectangle((0, 0), 1, 1, **_DROPPED)]
        names = ["kept block (dot)", "dropped block"]
        figure.legend(handles, names, loc="upper right", ncols=2, bbox_to_anchor=(0.9, 1.0))
        height = figure.get_figheight()
        figure.subplots_adjust(left=0.17, right=0.9, top=1 - 0.3 / height, bottom=0.55 / height)
        return png_bytes(figure)


def principal_plane(points: np.ndarray) -> np.ndarray:
    """`points (n, D)` projected to their first two principal axes: (n, 2). D = 1 gives a second coordinate of zero.

    The sign of each axis is fixed by making its largest component positive, so equal input gives equal pictures.
    """
    centred = points - points.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return np.pad(centred @ axes, ((0, 0), (0, 2 - axes.shape[1])))


def drawn_classes(embedding: Embedding) -> list[int]:
    """The labels that `embedding_scatter` draws: the 24 most frequent, ascending; -1 is the unknown class."""
    labels, counts = np.unique(embedding.labels, return_counts=True)
    return np.sort(labels[np.argsort(-counts, kind="stable")][:DRAWN_CLASSES]).tolist()


def embedding_scatter(embedding: Embedding, names: Mapping[int, str]) -> bytes | None:
    """All sides in the plane of their first two principal axes; a thin line joins the sides of an item.

    `names` maps a label to its class. Every class that is drawn has its place in the legend: the `drawn_classes`, of
    which up to 600 items are drawn, evenly spread over the file. None where fewer than two points are there.
    """
    classes = drawn_classes(embedding)
    shown = spread(np.flatnonzero(np.isin(embedding.labels, classes)), DRAWN_ITEMS)
    points = np.stack([np.asarray(side, np.float64)[shown] for side in embedding.sides.values()])
    known = np.isfinite(points).all(axis=2)
    if known.sum() < 2:
        return None
    plane = np.full((*known.shape, 2), np.nan)
    plane[known] = principal_plane(points[known])
    with drawing():
        figure = new_figure(10, max(5.8, 0.27 * len(classes) + 1.2))
        axes = figure.add_subplot()
        for side in range(1, len(points)):
            axes.plot(*np.moveaxis(plane[[0, side]], 2, 0), color="#CFCFCF", linewidth=0.5, zorder=1)
        for place, label in enumerate(classes):
            colour = PALETTE[place % len(PALETTE)]
            # Past the palette's end colours come again, hollow, then pale.
            faces = (colour, "white", f"{colour}55")
            look: dict[str, Any] = {
                "facecolor": faces[place // len(PALETTE) % 3],
                "edgecolor": colour,
                "linewidth": 1.1,
            }
            for side, marker in zip(plane, MARKERS, strict=False):
                x, y = side[embedding.labels[shown] == label].T
                axes.scatter(x, y, s=30, marker=marker, zorder=2, **look)
            axes.scatter([], [], s=36, label=shortened(names.get(label, f"class {label}"), 22), **look)
        for name, marker in zip(embedding.sides, MARKERS, strict=False):
            axes.scatter([], [], s=36, marker=marker, facecolor="white", edgecolor=INK, label=f"{name} of an item")
        axes.set(xlabel="first principal axis", ylabel="second principal axis")
        axes.set_aspect("equal", adjustable="datalim")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        figure.subplots_adjust(left=0.08, right=0.77, top=0.97, bottom=0.1)
        return png_bytes(figure)
