"""Test results of a run and everything that its report shows, written into the workdir."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import numpy as np

from avx.classic import cca
from avx.core import rng
from avx.core.errors import UserError
from avx.core.types import TrainState
from avx.data.splits import split_hash
from avx.evaluation import retrieval
from avx.reports.html import write_report
from avx.reports.tables import render_text
from avx.training import state as train_state
from avx.training.checkpoint import Progress
from avx.core.progress import ProgressBar
from experiments.run import Run
from avx.runs.workdir import write_arrays, write_json

EXAMPLE_SECONDS = 0.96  # of a VGGish example
PAIRS_TO_WATCH = 10_000_000  # seconds of scoring, from which on a bar shows
CAPTION_POLICY = {"track": "captions are not used", "spoken": "the sound is the first caption, read out"}
SYSTEM_NAMES = {"skm_embedding": "System A", "feature_memory": "System C"}


def evaluate(run: Run, state: TrainState) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Results on the test split: the content of results/test.json, and the arrays behind it.

    The rows are the system, where configured the system whose state goes on learning from the queries, CCA on the same
    clips' fixed-length descriptions (its dimension and ridge chosen on the validation split), and chance.
    """
    embedded = run.embed_split(state, "test")
    pairs = len(embedded.labels) ** 2
    with ProgressBar(pairs, "scoring pairs", visible=pairs >= PAIRS_TO_WATCH and not run.system.factored) as bar:
        scores, levels = run.levels(state, embedded, bar.update)
    modalities = run.system.modalities
    present = embedded.present
    labels, ks = embedded.labels, run.config.evaluation.ks
    name = SYSTEM_NAMES.get(run.config.system, run.config.system)
    rows = [{"name": name, "directions": levels}]
    curves = {name: retrieval.pr_curves(scores, labels, present, modalities)}
    if run.config.evaluation.get("test_time_update", False):
        rows.append(
            {
                "name": f"{name}, memory updated at test",
                "directions": learning_levels(run, state, embedded),
                "note": f"queries in the order of seed {run.config.seed}",
            }
        )
    baseline = cca_scores(run)
    if baseline is not None:
        cca_matrix, chosen = baseline
        rows.append(
            {
                "name": "CCA",
                "directions": retrieval.evaluate_scores(cca_matrix, labels, present, modalities, ks),
                "note": chosen,
            }
        )
        curves["CCA"] = retrieval.pr_curves(cca_matrix, labels, present, modalities)
    rows.append({"name": "chance", "directions": retrieval.chance(labels, present, modalities, ks)})
    curves["chance"] = retrieval.pr_curves(np.zeros_like(scores), labels, present, modalities)
    result = {"protocol": protocol(run, present, labels), "rows": rows, "curves": curves}
    arrays: dict[str, np.ndarray] = {"scores_first_to_second": scores, "labels": labels}
    for name in modalities:
        shown = present[name][:, None]
        arrays[f"{name}_embeddings"] = np.where(shown, np.asarray(embedded.embeddings[name].vectors), np.nan)
        arrays[f"{name}_present"] = present[name]
    return result, arrays


def learning_levels(run: Run, state: TrainState, embedded: retrieval.EmbeddedSplit) -> retrieval.Levels:
    """Metrics of both directions where the model state learns from each query (docs/methods.md 8.5).

    Each direction starts from the trained state, and its queries come in the same order, which the run's seed decides.
    """
    assert run.system.score_and_learn is not None
    params, model_state = retrieval.on_one_device((train_state.evaluation_params(state), state.model_state))
    learn = jax.jit(run.system.score_and_learn, static_argnums=5)
    order = jax.random.permutation(rng.stream(run.config.seed, "test_time_update"), len(embedded.labels))
    levels: retrieval.Levels = {}
    for query, gallery in (run.system.modalities, run.system.modalities[::-1]):
        scores, _ = learn(params, model_state, embedded.embeddings[query], embedded.embeddings[gallery], order, query)
        levels[retrieval.direction_name(query, gallery)] = retrieval.evaluate_direction(
            np.asarray(scores), embedded.labels, embedded.present, query, gallery, run.config.evaluation.ks
        )
    return levels


def protocol(run: Run, present: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, Any]:
    """What was measured and how, to stand beside every number."""
    first, second = run.system.modalities
    source = run.corpus.source
    test = run.split["test"]
    ids = [source[index].clip_id for index in range(len(source))]
    return {
        "dataset": source.name,
        "split": "test",
        "split_hash": split_hash(ids, test),
        "train_clips": len(run.split["train"]),
        "validation_clips": len(run.split["val"]),
        "queries": int(present[first].sum()),
        "gallery": int(present[second].sum()),
        "classes": len(np.unique(labels[labels >= 0])),
        "class_names": list(source.class_names),
        "modalities": [first, second],
        "tie_rule": retrieval.TIE_RULE,
        "missing_modality": retrieval.MISSING_POLICY,
        "caption_policy": CAPTION_POLICY[run.config.data.speech],
        "coverage": {**run.corpus.coverage, "evaluated": len(test)},
        "score": "inner product of unit vectors" if run.system.factored else "pair score",
    }


def cca_scores(run: Run) -> tuple[np.ndarray, str] | None:
    """(scores of the test split, what was chosen) of CCA fitted on the training split's descriptions.

    Returns None where too few training clips carry both modalities for any of the configured dimensions.
    """
    train_x, train_y, both = _summaries(run, "train")
    validation_x, validation_y, validation_both = _summaries(run, "val")
    test_x, test_y, _ = _summaries(run, "test")
    labels = np.array([run.corpus.source[index].label for index in run.split["val"].tolist()])
    modalities = run.system.modalities
    present = {name: validation_both for name in modalities}
    best: tuple[float, cca.CCAState, str] | None = None
    options = run.config.evaluation
    for dimensions, ridge in itertools.product(options.cca_dimensions, options.cca_ridges):
        try:
            state = cca.fit(train_x[both], train_y[both], dimensions=dimensions, ridge=ridge)
        except UserError:
            continue
        scores = _cosine(cca.transform(state, validation_x, "x"), cca.transform(state, validation_y, "y"))
        levels = retrieval.flatten(retrieval.evaluate_scores(scores, labels, present, modalities, options.ks))
        score = levels.get(options.score, levels.get("instance/map", 0.0))
        if best is None or score > best[0]:
            best = score, state, f"{dimensions} dimensions, ridge {ridge:g}"
    if best is None:
        return None
    _, state, chosen = best
    return _cosine(cca.transform(state, test_x, "x"), cca.transform(state, test_y, "y")), chosen


def _cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    y = y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), 1e-12)
    return (x @ y.T).astype(np.float32)


def _summaries(run: Run, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(video (N, p), audio (N, q), both (N,) bool) descriptions of a split; missing ones are zero."""
    features = [run.load(index) for index in run.split[name].tolist()]
    everything = [run.load(int(index)) for index in run.corpus.usable]
    columns = []
    for modality in run.system.modalities:
        key = f"{modality}_summary"
        width = next(len(entry[key]) for entry in everything if key in entry)
        columns.append(np.stack([entry.get(key, np.zeros(width, np.float32)) for entry in features]))
    both = np.array([all(f"{modality}_summary" in entry for modality in run.system.modalities) for entry in features])
    return columns[0], columns[1], both


def write(run: Run, state: TrainState, progress: Progress, seconds: float) -> None:
    """Writes results, pictures' arrays and the report, and prints the table."""
    result, arrays = evaluate(run, state)
    result["training"] = {
        "best_step": progress.best_step,
        "steps": progress.step,
        "train_seconds": progress.train_seconds,
        "parameters": train_state.parameter_count(state.params),
        "wall_seconds": seconds,
    }
    folder = run.workdir / "results"
    first, second = run.system.modalities
    source, test = run.corpus.source, run.split["test"]
    ids = np.array([source[index].clip_id for index in test.tolist()])
    write_json(folder / "test.json", result)
    write_arrays(
        folder / "scores.npz",
        scores_first_to_second=arrays["scores_first_to_second"],
        ids=ids,
        labels=arrays["labels"],
        present_first=arrays[f"{first}_present"],
        present_second=arrays[f"{second}_present"],
    )
    write_arrays(
        folder / "embedding.npz",
        labels=arrays["labels"],
        **{name: arrays[f"{name}_embeddings"] for name in run.system.modalities},
    )
    _write_gallery(run, ids)
    _write_keyframes(run)
    _write_attention(run, state, ids)
    report = write_report(run.workdir)
    print(render_text(result))
    print(f"{seconds / 60:.1f} minutes; report: {report}")


def _write_gallery(run: Run, ids: np.ndarray) -> None:
    """One picture and the caption of every test clip."""
    test = run.split["test"].tolist()
    blank = np.full((96, 96, 3), 128, np.uint8)
    pictures = []
    for index in test:
        images = run.load(index).get("keyframe_images")
        pictures.append(blank if images is None else images[len(images) // 2])
    captions = [run.corpus.source[index].caption for index in test]
    write_arrays(
        run.workdir / "results" / "gallery.npz",
        ids=ids,
        captions=np.array(captions, dtype=str),
        thumbnails=np.stack([_fit(picture, blank.shape[:2]) for picture in pictures]),
    )


def _fit(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Nearest-neighbour resize, for pictures of clips decoded at another size."""
    if picture.shape[:2] == shape:
        return picture
    rows = np.arange(shape[0]) * picture.shape[0] // shape[0]
    columns = np.arange(shape[1]) * picture.shape[1] // shape[1]
    return picture[rows][:, columns]


def _write_keyframes(run: Run) -> None:
    """Key frames of the first test clips of each class, up to `evaluation.report_clips`."""
    chosen = [
        index
        for index in _spread_over_classes(run, run.config.evaluation.report_clips)
        if "keyframe_images" in run.load(index)
    ]
    if not chosen:
        return
    features = [run.load(index) for index in chosen]
    clip_index = np.concatenate([np.full(len(entry["keyframe_times"]), row) for row, entry in enumerate(features)])
    boundaries = [np.array(run.corpus.source[index].shot_boundaries) for index in chosen]
    write_arrays(
        run.workdir / "results" / "keyframes.npz",
        clip_ids=np.array([run.corpus.source[index].clip_id for index in chosen]),
        clip_index=clip_index,
        images=np.concatenate([np.stack([_fit(p, (96, 96)) for p in entry["keyframe_images"]]) for entry in features]),
        times=np.concatenate([entry["keyframe_times"] for entry in features]),
        durations=np.array([float(entry["duration"]) for entry in features]),
        boundaries=np.concatenate([*boundaries, np.zeros(0)]),
        boundary_clip=np.concatenate(
            [np.full(len(times), row) for row, times in enumerate(boundaries)] + [np.zeros(0, int)]
        ).astype(int),
    )


def _spread_over_classes(run: Run, count: int) -> list[int]:
    """Test clips, one class after the other, in order."""
    by_class: dict[int, list[int]] = {}
    for index in run.split["test"].tolist():
        by_class.setdefault(run.corpus.source[index].label, []).append(index)
    rounds = itertools.zip_longest(*by_class.values())
    return [index for group in rounds for index in group if index is not None][:count]


def _write_attention(run: Run, state: TrainState, ids: np.ndarray) -> None:
    """Attention over the audio blocks of every test clip, where the system has any."""
    params = train_state.evaluation_params(state)
    weights, kept = [], []
    for batch in run.batches(run.split["test"]):
        outputs = run.embed(params, state.model_state, batch)
        if "attention" not in outputs:
            return
        real = np.asarray(batch.example_mask)
        weights.append(jax.device_get(outputs["attention"].weights)[real])
        kept.append(jax.device_get(outputs["attention"].kept)[real])
    shares = np.concatenate(weights)
    starts, ends = _block_seconds(run, shares.shape[1])
    write_arrays(
        run.workdir / "results" / "attention.npz",
        ids=ids,
        weights=np.where(ends > 0, shares, np.nan),  # NaN: the clip has no such block
        kept=np.concatenate(kept),
        block_start=starts,
        block_end=ends,
    )


def _block_seconds(run: Run, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last second (N, t) that each audio block of a test clip covers, zero for blocks that it has not."""
    hop, most = run.config.features.audio_hop_seconds, run.config.features.max_audio_steps
    starts, ends = np.zeros((2, len(run.split["test"]), blocks))
    for row, index in enumerate(run.split["test"].tolist()):
        steps = np.arange(min(len(run.load(index).get("audio", ())), most))
        for block, part in enumerate(np.array_split(steps, blocks)):
            if len(part):
                starts[row, block], ends[row, block] = part[0] * hop, part[-1] * hop + EXAMPLE_SECONDS
    return starts, ends
