"""Builds the sections of the page: each is a function of the files that it needs, none of them optional."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from avx.core.result import Result
from avx.reports import figures, sheets, tables
from avx.reports.array_files import Attention, Embedding, Items, KeyFrames
from avx.reports.blocks import Block, Folded, Picture, Retrieved, Shown, data_uri, facts
from avx.reports.drawing import jpeg_bytes
from avx.reports.examples import TOP, choose_examples, spread
from avx.reports.files import Config, Environment, MetricLog, QuarantineLog
from avx.reports.headline import galleries
from avx.reports.metric_names import direction_words, format_value, is_share
from avx.reports.tables import Table
from avx.reports.training_curves import best_step, training_curves

SHEETS, LISTED_CLIPS, FOLDED_CLASSES = 8, 50, 20


def class_name(result: Result, label: int) -> str:
    """The name of class `label`, or its number where the protocol names none; -1 is a class that is not known."""
    names = result.protocol.get("class_names") or ()
    if label < 0:
        return "unknown class"
    return str(names[label]) if label < len(names) else f"class {label}"


def results(result: Result) -> list[Block]:
    """The result tables."""
    complete = tables.result_tables(result, wanted=lambda name: True)
    marks = "Bold: best of its column, and what the shown digits cannot tell from it."
    return [*tables.result_tables(result), *tables.notes(result), marks, Folded("All metrics", complete)]


def protocol(result: Result) -> list[Block]:
    """How the figures were measured, and how many items they stand for."""
    return [facts({name: value for name, value in result.protocol.items() if name != "class_names"}, " ")]


def training_record(result: Result) -> list[Block]:
    """What training says of itself, with constants that were chosen, and its figures on the validation split."""
    values = {name: format_value(name, value) for name, value in result.validation.items()}
    validation = Folded("Figures on the validation split", [facts(values)])
    return [*([facts(result.training, " ")] if result.training else []), *([validation] if values else [])]


def training(log: MetricLog, result: Result) -> list[Block]:
    """The curves, with the step marked whose weights were tested."""
    step = result.training.get("best_step")
    if not isinstance(step, int):
        return training_so_far(log)
    return _curves(log, step, f"Dashed: step {step}, whose weights were tested.")


def training_so_far(log: MetricLog) -> list[Block]:
    """The curves of a run without a result, with the best step in validation marked."""
    best = best_step(log.series.get("validation", {}))
    if best is None:
        return _curves(log, None, "No validation metrics were written, so no step is marked.")
    name, step, value = best
    shown = format_value(name, value) + " %" * is_share(name)
    return _curves(log, step, f"Dashed: step {step}, the best by {name} with {shown}.")


def _curves(log: MetricLog, mark: int | None, note: str) -> list[Block]:
    png = training_curves(log.series.get("train", {}), log.series.get("validation", {}), mark)
    return [note, Picture("training", png, "Training curves", "plot broad")] if png else []


def precision_recall(result: Result) -> list[Block]:
    """Precision against recall for each gallery and direction; chance is a curve of the result like the others."""
    blocks: list[Block] = ["Relevant: of the query's class. Precision is interpolated at 11 levels of recall."]
    for searched, rows in galleries(result).items():
        chance = next((row.name for row in rows if row.role == "chance"), "")
        for way in dict.fromkeys(way for row in rows for way in row.directions):
            curves = {row.name: row.directions[way].curve for row in rows if way in row.directions}
            if any(curves.values()):
                title = direction_words(way) + searched
                png = figures.precision_recall({name: curve for name, curve in curves.items() if curve}, title, chance)
                blocks.append(Picture(f"precision_recall_{len(blocks)}", png, f"Precision against recall, {title}"))
    return blocks if len(blocks) > 1 else []


def retrieved(result: Result, items: Items) -> list[Block]:
    """Queries with a right and with a wrong item at rank 1, which can be seen, played and heard."""
    blocks: list[Block] = [
        "Five best items per query. Solid frame and tick: right; dashed frame and cross: wrong. Queries are taken "
        "evenly spread over the list, up to three that were right at rank 1 and three that were wrong."
    ]
    for way, places in choose_examples(result).items():
        direction, (asks, _, answers) = result.rows[0].directions[way], way.partition("_to_")
        own_ranks = direction.per_query.get("instance/rank", np.full(len(direction.queries), np.nan))
        lines = []
        for place in places.tolist():
            query = int(direction.queries[place])
            heading = f"Query; own item: {rank_words(own_ranks[place])}"
            lines.append([_shown(result, items, query, "query", heading, asks)])
            for row, score in zip(direction.top[place, :TOP].tolist(), direction.top_scores[place, :TOP], strict=True):
                right = row == query or bool(items.classes(row) & items.classes(query))
                heading = f"{'✓' if right else '✗'} {score:.3f}{' own item' if row == query else ''}"
                lines[-1].append(_shown(result, items, row, "right" if right else "wrong", heading, answers))
        blocks.append(Retrieved(direction_words(way), lines))
    return blocks if len(blocks) > 1 else []


def rank_words(rank: float) -> str:
    """`rank 3` for a clear rank, `rank 3.5 (tied)` for an expected one; NaN is an item outside the gallery."""
    if np.isnan(rank):
        return "not in the gallery"
    return f"rank {rank:.0f}" if rank == int(rank) else f"rank {rank:.1f} (tied)"


def _shown(result: Result, items: Items, row: int, look: str, heading: str, side: str) -> Shown:
    place = items.place(row)
    if place is None:
        return Shown(look, heading, "", f"item {row}", "", "")
    height, width = items.sizes[place]
    photo = jpeg_bytes(Image.fromarray(items.thumbnails[place, :height, :width])) if height and width else b""
    heard = str(items.sound[place]) if side in ("audio", "speech") else ""
    return Shown(
        look,
        heading,
        classes=", ".join(class_name(result, label) for label in sorted(items.classes(row)) or [-1]),
        caption=str(items.captions[place] or items.ids[place]),
        picture=data_uri(photo, "image/jpeg") if photo else "",
        file=heard or str(items.media[place]),
    )


def key_frames(keyframes: KeyFrames) -> list[Block]:
    """A sheet for each of at most 8 clips, evenly spread over the file, and which shots it misses."""
    blocks: list[Block] = []
    for clip in spread(np.arange(len(keyframes.ids)), SHEETS).tolist():
        mine = np.flatnonzero(keyframes.clip == clip)
        mine = mine[np.argsort(keyframes.times[mine], kind="stable")]
        images = {}
        for place in sheets.pictured(len(mine)).tolist():
            height, width = keyframes.sizes[mine[place]]
            images[place] = keyframes.images[mine[place], :height, :width]
        boundaries = keyframes.boundaries[keyframes.boundary_clip == clip]
        line = sheets.TimeLine(keyframes.times[mine], float(keyframes.durations[clip]), boundaries)
        title = " · ".join(filter(None, (str(keyframes.ids[clip]), str(keyframes.classes[clip]))))
        subtitle = "; ".join(filter(None, (f"{len(mine)} key frames", line.coverage())))
        png = sheets.sheet(images, line, title, subtitle)
        blocks.append(Picture(f"keyframes_{len(blocks) + 1:02d}", png, f"Key frames of {title}: {subtitle}", "sheet"))
    note = (
        f"{len(blocks)} of {len(keyframes.ids)} clips. Ticks on the time line: key frames. Dashed, where known: "
        "true shot boundaries; hatched: a shot without a key frame."
    )
    return [note, *blocks] if blocks else []


def attention(attention: Attention) -> list[Block]:
    """How the blocks of each item were weighted, and which were kept."""
    real = ~np.isnan(attention.weights)
    if not real.any():
        return []
    share = 100 * attention.kept[real].mean()
    note = f"Height is the block's weight, each strip scaled to its largest. {share:.0f} % of all blocks were kept."
    return [note, Picture("attention", figures.attention_strips(attention), "Attention over blocks", "plot broad")]


def confusion(result: Result) -> list[Block]:
    """Who is taken for whom at rank 1 by the first row, as a picture, and the same by class as a table."""
    blocks: list[Block] = ["Where items share the best score, the query counts in equal parts for each of them."]
    listed: list[Block] = []
    for way, direction in result.rows[0].directions.items() if result.rows else ():
        counts = np.asarray(direction.confusion, np.float64)
        if not counts.any():
            continue
        known = len(counts) if counts[-1].any() or counts[:, -1].any() else len(counts) - 1
        counts = counts[:known, :known]
        names = [class_name(result, label if label < len(direction.confusion) - 1 else -1) for label in range(known)]
        query, _, gallery = way.partition("_to_")
        title, png = direction_words(way), figures.confusion(counts, names, query, gallery)
        caption = f"{title}, % of a row's queries"
        blocks.append(Picture(f"confusion_{len(blocks)}", png, f"Confusion at rank 1, {title}", caption=caption))
        header = ("class", "queries", "right at rank 1 (%)", "most often taken for")
        table = Table(f"By class, {title}", header, tuple(_by_class(counts, names)))
        listed.append(Folded(table.title, [table]) if len(table.rows) > FOLDED_CLASSES else table)
    return [*blocks, *listed] if listed else []


def _by_class(counts: np.ndarray, names: list[str]) -> Iterator[tuple[str, ...]]:
    for label in np.flatnonzero(counts.sum(axis=1)).tolist():
        total, wrong = counts[label].sum(), counts[label].copy()
        wrong[label] = 0
        taken = f"{names[int(wrong.argmax())]} ({100 * wrong.max() / total:.0f} %)" if wrong.any() else "none"
        yield names[label], f"{total:.0f}", format_value("hit@1", counts[label, label] / total), taken


def embedding(embedding: Embedding, result: Result) -> list[Block]:
    """All sides in one plane."""
    classes, total = figures.drawn_classes(embedding), len(np.unique(embedding.labels))
    png = figures.embedding_scatter(embedding, {label: class_name(result, label) for label in classes})
    most = f" The {len(classes)} most frequent of {total} classes." if len(classes) < total else ""
    caption = f"A thin line joins the sides of an item.{most}"
    return [Picture("embedding", png, "Embedding of all sides", "plot", caption)] if png else []


def quarantine(log: QuarantineLog) -> list[Block]:
    """The clips put aside and the notes on clips that were used, counted by reason and listed."""
    if not log.records:
        return ["No clip was put aside."]
    counts = Counter(str(record.get("reason", "no reason given")) for record in log.records)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    keys = list(dict.fromkeys(key for record in log.records for key in record))
    rows = tuple(tuple(str(record.get(key, "")) for key in keys) for record in log.records[:LISTED_CLIPS])
    return [
        "Clips put aside, and notes on clips that were used, by reason.",
        Table("", ("reason", "clips"), tuple((reason, str(count)) for reason, count in ordered)),
        Folded(f"{len(rows)} of {len(log.records)} records", [Table("", tuple(keys), rows)]),
    ]


def file_content(file: Environment | Config) -> list[Block]:
    """What a file says, folded away."""
    return [Folded("Show", [facts(file.content)])]


SECTIONS: tuple[tuple[str, tuple[Any, ...], Callable[..., list[Block]]], ...] = (
    ("Results", (Result,), results),
    ("Protocol and coverage", (Result,), protocol),
    ("Training", (MetricLog, Result), training),
    ("Training", (MetricLog,), training_so_far),
    ("Training record", (Result,), training_record),
    ("Precision and recall", (Result,), precision_recall),
    ("Retrieved examples", (Result, Items), retrieved),
    ("Key frames", (KeyFrames,), key_frames),
    ("Attention over blocks", (Attention,), attention),
    ("Confusion and classes", (Result,), confusion),
    ("Embedding", (Embedding, Result), embedding),
    ("Quarantine", (QuarantineLog,), quarantine),
    ("Environment", (Environment,), file_content),
    ("Configuration", (Config,), file_content),
)
"""Title, the files without which there is no section, and its function; of rows of one title the first that can."""
