"""Evaluates a fitted method beside its baselines and chance, and writes what its report shows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from avx.core import processes, rng
from avx.core.dataset import Dataset
from avx.core.progress import ProgressBar
from avx.core.result import Direction, Result, ResultRow
from avx.data.splits import split_hash
from avx.evaluation.evaluator import Evaluator, validation_levels
from avx.evaluation.measure import Blocks
from avx.evaluation.protocol import MISSING_POLICY, TIE_RULE, Protocol, both_directions, check_splits, flatten
from avx.hashing.codes_file import CodedItems, item_arrays
from avx.media.atomic import atomic_path, write_bytes
from avx.reports.array_files import Attention, Embedding, Items, KeyFrames, letterboxed
from avx.reports.examples import shown_rows
from avx.reports.files import write_result
from avx.runs import settings
from avx.runs.explain import block_times
from avx.runs.retriever import Retriever

PAIRS_TO_WATCH = 10_000_000
"""Pairs from which on scoring shows a progress bar."""
THUMBNAIL = (96, 128)
LARGEST_MEDIA = 4 << 20
"""Bytes of a media file that a report keeps a copy of."""


def evaluate(
    retriever: Retriever,
    dataset: Dataset,
    split: str = "test",
    *,
    baselines: Sequence[Retriever] = (),
    validate: bool = True,
) -> tuple[Result, Evaluator]:
    """Evaluates a method on a dataset beside its baselines and chance.

    Args:
      retriever: the method; its config names galleries and cut-offs.
      dataset: any of the same kinds of features.
      split: the split that asks; where a gallery of the config is "test", it is searched as well.
      baselines: methods that were fitted to the same training data.
      validate: also state the figures of the validation split.

    Returns:
      The result, and the evaluator with the embeddings behind it.

    Raises:
      UserError: splits that the dataset does not have, or features that the method does not take.
    """
    options = settings.evaluation(retriever.config)
    galleries = tuple(dict.fromkeys(split if name == "test" else name for name in options.galleries))
    check_splits(dataset, (split, *galleries))
    evaluator = Evaluator(retriever, dataset)
    protocols = {
        gallery: both_directions(retriever.sides, split, gallery, options.ks, options.map_cutoffs)
        for gallery in galleries
    }
    title = retriever.system.title
    rows = [ResultRow(title, "system", gallery, "", _watched(evaluator, asked)) for gallery, asked in protocols.items()]
    if options.test_time_update:
        note = f"queries in the order of seed {retriever.config.seed}"
        name = f"{title}, memory updated at test"
        rows.append(ResultRow(name, "variant", galleries[0], note, _learning(evaluator, protocols[galleries[0]])))
    for baseline in baselines:
        asked = Evaluator(baseline, dataset)
        note = in_words(baseline.training.get("constants", {}))
        rows += [
            ResultRow(baseline.system.title, "baseline", gallery, note, asked.directions(pair))
            for gallery, pair in protocols.items()
        ]
    rows += [
        ResultRow("chance", "chance", gallery, "", evaluator.chance(asked)) for gallery, asked in protocols.items()
    ]
    validation = {}
    if validate and len(dataset.rows("val")):
        validation = flatten(validation_levels(retriever, dataset, options))
    result = Result(protocol_card(retriever, evaluator, split, galleries), tuple(rows), validation, retriever.training)
    return result, evaluator


def _watched(evaluator: Evaluator, protocols: Sequence[Protocol]) -> dict[str, Direction]:
    """Directions of the system itself; a pair score of many pairs shows how far it is."""
    asked = [(len(rows), len(gallery)) for _, rows, _, gallery in map(evaluator.asked, protocols)]
    total = sum(queries * gallery for queries, gallery in asked)
    visible = total >= PAIRS_TO_WATCH and not evaluator.fitted.system.factored
    done = 0
    with ProgressBar(total, "scoring pairs", visible=visible) as bar:

        def blocks(queries: Any, gallery: Any) -> Blocks:
            nonlocal done
            for rows, scores in evaluator.fitted.score_blocks(queries, gallery):
                done += scores.size
                bar.update(done)
                yield rows, scores

        return {protocol.direction: evaluator.direction(protocol, blocks) for protocol in protocols}


def _learning(evaluator: Evaluator, protocols: Sequence[Protocol]) -> dict[str, Direction]:
    """Directions where the model state learns from each query (docs/methods.md 8.5).

    Each direction starts from the trained state, and its queries come in the same order, which the run's seed decides.
    """
    retriever = evaluator.fitted
    assert isinstance(retriever, Retriever) and retriever.system.score_and_learn is not None
    learn = jax.jit(retriever.system.score_and_learn, static_argnums=5)
    found = {}
    for protocol in protocols:

        def blocks(queries: Any, gallery: Any, protocol: Protocol = protocol) -> Blocks:
            order = jax.random.permutation(rng.stream(retriever.config.seed, "test_time_update"), len(queries))
            scores, _ = learn(
                retriever.params, retriever.model_state, queries.embedded, gallery.embedded, order, protocol.query_side
            )
            yield slice(0, len(queries)), np.asarray(scores)

        found[protocol.direction] = evaluator.direction(protocol, blocks)
    return found


def in_words(constants: Mapping[str, Any]) -> str:
    """Returns chosen constants as people read them."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value:g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"
        for name, value in constants.items()
    )


def protocol_card(retriever: Retriever, evaluator: Evaluator, split: str, galleries: Sequence[str]) -> dict[str, Any]:
    """Returns what was measured and how, to stand beside every number."""
    dataset, (first, second) = evaluator.dataset, retriever.sides
    config, embedded = retriever.config, evaluator.embedded(split)
    asked, labels = dataset.rows(split), dataset.first_label[dataset.rows(split)]
    card: dict[str, Any] = {
        "dataset": dataset.name,
        "digest": dataset.digest(),
        "split": split,
        "split_hash": split_hash(dataset.ids, asked),
        "items": {name: len(dataset.rows(name)) for name in dataset.split},
        "queries": int(np.sum(embedded[first].present)),
        "gallery": int(np.sum(embedded[second].present)),
        "galleries": {name: len(dataset.rows(name)) for name in galleries},
        "classes": len(np.unique(labels[labels >= 0])),
        "class_names": list(dataset.class_names),
        "sides": [first, second],
        "tie_rule": TIE_RULE,
        "missing_modality": MISSING_POLICY,
        "score": "inner product of unit vectors" if retriever.system.factored else "pair score",
        "coverage": {**dataset.coverage, "evaluated": len(asked)},
    }
    codes = embedded[first].embedded.codes
    if codes is not None:
        card |= {"bits": codes.bits, "codes": "from the fitted functions, for queries and galleries alike"}
    if "kinds" in config.features:
        scaled = [("normalise", "rows L2-normalised"), ("standardise", "columns standardised by the training items")]
        card["features"] = dict(zip(retriever.sides, config.features.kinds, strict=True))
        card["scaling"] = ", then ".join(words for name, words in scaled if config.features[name]) or "none"
    if "speech" in config.data:
        spoken = config.data.speech == "spoken"
        card["caption_policy"] = "the sound is the first caption, read out" if spoken else "captions are not used"
    return card


def write(result: Result, evaluator: Evaluator, workdir: Path) -> None:
    """Writes the result and everything that its report shows; one of several processes writes, all take part.

    Raises:
      UserError: the disk is full.
    """
    dataset, split, retriever = evaluator.dataset, result.protocol["split"], evaluator.fitted
    assert isinstance(retriever, Retriever)
    rows, embedded = dataset.rows(split), evaluator.embedded(split)
    coded = embedded[retriever.sides[0]].embedded.codes is not None
    everything = evaluator.embedded("all") if coded else {}
    if not processes.is_leader():
        return
    write_result(result, workdir)
    _write_items(result, dataset, workdir)
    _write_key_frames(dataset, rows, settings.evaluation(retriever.config).report_items, workdir)
    _write_attention(retriever, dataset, rows, embedded, workdir)
    sides = {
        side: np.where(items.present[:, None], items.vectors, np.nan).astype(np.float32)
        for side, items in embedded.items()
    }
    if len({vectors.shape for vectors in sides.values()}) == 1:
        Embedding(np.array([dataset.ids[row] for row in rows]), dataset.first_label[rows], sides).write(workdir)
    _write_codes(dataset, everything, workdir)


def _write_items(result: Result, dataset: Dataset, workdir: Path) -> None:
    """Picture, caption and media of every item that the page shows."""
    rows = shown_rows(result)
    pictures = [_picture(dataset, row) for row in rows.tolist()]
    thumbnails, sizes = letterboxed(pictures, *THUMBNAIL)
    files = [_media(dataset, row, workdir) for row in rows.tolist()]
    Items(
        ids=np.array([dataset.ids[row] for row in rows.tolist()], dtype=str),
        rows=rows,
        labels=dataset.labels[rows],
        captions=np.array([dataset.card(row).caption for row in rows.tolist()], dtype=str),
        thumbnails=thumbnails,
        sizes=sizes,
        media=np.array([media for media, _ in files], dtype=str),
        sound=np.array([sound for _, sound in files], dtype=str),
    ).write(workdir)


def _picture(dataset: Dataset, row: int) -> np.ndarray:
    """The middle key frame of an item; an empty picture where it has none."""
    images = dataset.load(row).get("keyframe_images")
    return np.zeros((0, 0, 3), np.uint8) if images is None else images[len(images) // 2]


def _media(dataset: Dataset, row: int, workdir: Path) -> tuple[str, str]:
    """Paths, relative to the workdir, of small copies of an item's media and of its own sound file; "" for none."""
    if dataset.media is None:
        return "", ""
    found = []
    for name, source in zip(("media", "sound"), dataset.media(row), strict=True):
        path = ""
        if isinstance(source, bytes):
            content, suffix = source, ".mp4" if name == "media" else ".wav"
        elif isinstance(source, Path) and source.is_file() and source.stat().st_size <= LARGEST_MEDIA:
            content, suffix = source.read_bytes(), source.suffix.lower()
        else:
            content, suffix = b"", ""
        if content and len(content) <= LARGEST_MEDIA:
            path = f"results/media/{row}_{name}{suffix}"
            write_bytes(workdir / path, content)
        found.append(path)
    return found[0], found[1]


def _write_key_frames(dataset: Dataset, rows: np.ndarray, count: int, workdir: Path) -> None:
    """Key frames of the first items of each class, up to `count`."""
    chosen = [row for row in _spread_over_classes(dataset, rows, count) if "keyframe_images" in dataset.shapes(row)]
    if not chosen:
        return
    features = [dataset.load(row) for row in chosen]
    cards = [dataset.card(row) for row in chosen]
    images, sizes = letterboxed([image for one in features for image in one["keyframe_images"]], *THUMBNAIL)
    counts = [len(one["keyframe_times"]) for one in features]
    boundaries = [np.array(card.shot_boundaries, np.float64) for card in cards]
    KeyFrames(
        ids=np.array([dataset.ids[row] for row in chosen], dtype=str),
        classes=np.array([", ".join(card.classes) for card in cards], dtype=str),
        durations=np.array([float(one["duration"]) for one in features]),
        clip=np.repeat(np.arange(len(chosen)), counts),
        times=np.concatenate([one["keyframe_times"] for one in features]).astype(np.float64),
        images=images,
        sizes=sizes,
        boundaries=np.concatenate([*boundaries, np.zeros(0)]),
        boundary_clip=np.repeat(np.arange(len(chosen)), [len(times) for times in boundaries]),
    ).write(workdir)


def _spread_over_classes(dataset: Dataset, rows: np.ndarray, count: int) -> list[int]:
    """Rows, one class after the other, in order."""
    by_class: dict[int, list[int]] = {}
    for row in rows.tolist():
        by_class.setdefault(int(dataset.first_label[row]), []).append(row)
    rounds = itertools.zip_longest(*by_class.values())
    return [row for group in rounds for row in group if row is not None][:count]


def _write_attention(
    retriever: Any, dataset: Dataset, rows: np.ndarray, embedded: Mapping[str, Any], workdir: Path
) -> None:
    """Attention over the blocks of every item, with the seconds that each block covers, where the method has any."""
    for side, items in embedded.items():
        attended = items.embedded.attention
        if attended is None:
            continue
        lengths = {spec.name: spec.length for spec in retriever.specs}
        starts, ends = _block_seconds(dataset, rows, side, lengths[side], attended.weights.shape[1])
        Attention(
            ids=np.array([dataset.ids[row] for row in rows], dtype=str),
            weights=np.where(ends > 0, np.asarray(attended.weights), np.nan),  # NaN: the item has no such block
            kept=np.asarray(attended.kept),
            start=starts,
            end=ends,
        ).write(workdir)


def _block_seconds(
    dataset: Dataset, rows: np.ndarray, side: str, length: int, blocks: int
) -> tuple[np.ndarray, np.ndarray]:
    """First and last second (N, t) of the blocks of items whose features hold `<side>_starts`; 0 for others."""
    starts, ends = np.zeros((2, len(rows), blocks))
    for number, row in enumerate(rows.tolist()):
        features = dataset.load(row)
        if f"{side}_starts" in features:
            seconds = float(features[f"{side}_step_seconds"])
            starts[number], ends[number] = block_times(features[f"{side}_starts"], seconds, length, blocks)
    return starts, ends


def _write_codes(dataset: Dataset, everything: Mapping[str, Any], workdir: Path) -> None:
    """Codes of all items of a hashing method, by side."""
    for side, items in everything.items():
        coded = CodedItems(
            codes=items.embedded.codes,
            vectors=np.asarray(items.embedded.real),
            item_ids=items.ids,
            labels=dataset.first_label,
            class_names=tuple(dataset.class_names),
        )
        with atomic_path(workdir / "results" / f"{side}_codes.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, **item_arrays(coded))  # type: ignore[arg-type]
