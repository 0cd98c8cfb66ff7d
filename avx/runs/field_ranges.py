"""The range of every number in a config: one row a field, which is looked at before any work.

A field of a method's own that has no row must be finite, and its options say the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from avx.core.ranges import FINITE, SHARE, Range, positive, whole

SEED = whole(0)
PIXELS = 16384
LAYER = whole(1, 2**16)
LAYERS = whole(1, 2**16, at_least=0)
ROUNDS = whole(0, 10**6)
WEIGHT = Range(0, 1e6)
"""Of a term of a loss, of a ridge or a penalty."""

RANGES: dict[str, dict[str, Range]] = {
    "": {"seed": SEED},
    "data": {
        "clips": whole(1, 10**6),
        "frames_per_second": Range(0, 1000),
        "seed": SEED,
        "split_fractions": Range(0, 1),
        "split_seed": SEED,
        "validation_share": SHARE,
        "workers": whole(0, 1024),
    },
    "decode": {
        "frame_rate": positive(1000),
        "height": whole(0, PIXELS),
        "width": whole(0, PIXELS),
        "short_side": whole(0, PIXELS),
        "sample_rate": whole(1000, 384000),
        "max_seconds": positive(86400),
    },
    "decode.limits": {
        "channels": whole(1, 2**16),
        "clip_bytes": whole(1, 2**50),
        "memory_bytes": whole(1, 2**50),
        "pixels": whole(1, 2**40),
        "processor_seconds": positive(1e6),
        "sample_rate": whole(1, 10**9),
        "seconds": positive(1e9),
    },
    "keyframes": {
        "delta": Range(0, 100),
        "max_clusters": whole(1, 4096),
        "max_rounds": ROUNDS,
        "sofm_epochs": ROUNDS,
        "swap_sweeps": ROUNDS,
    },
    "features": {
        "audio_hop_seconds": Range(0, 3600, multiple_of=0.01),  # Frames lie 0.01 s apart; 0 is the encoder's own hop.
        "image_size": whole(1, 4096),
        "max_audio_steps": whole(0, 10**6),
        "max_windows": whole(0, 10**5),
        "mfcc_coefficients": whole(1, 1024),
        "mfcc_hop_seconds": positive(10),
        "mfcc_mels": whole(1, 1024),
        "mfcc_window_seconds": positive(10),
        "window_frames": whole(1, 4096),
        "window_stride": whole(1, 4096),
    },
    "model": {
        "anchors": LAYER,
        "attention_size": LAYER,
        "audio_fc_sizes": LAYERS,
        "audio_sizes": LAYERS,
        "audio_widths": LAYER,
        "balance": Range(0, 1, open_low=True, open_high=True),
        "bits": whole(1, 4096),
        "blend": SHARE,
        "blocks": whole(1, 4096),
        "correlation_power": Range(0, 100),
        "dimensions": LAYER,
        "discriminator_sizes": LAYERS,
        "dropout": SHARE,
        "feature_size": LAYER,
        "frame_widths": LAYER,
        "fusion_size": LAYER,
        "graph": WEIGHT,
        "hidden_size": LAYER,
        "hidden_sizes": LAYERS,
        "logit_scale": positive(1e6),
        "lstm_layers": whole(0, 64),
        "lstm_size": LAYER,
        "mapping_size": LAYER,
        "max_iterations": whole(1, 10**6),
        "max_rank": whole(1, 10**6),
        "max_sweeps": whole(1, 10**6),
        "neighbours": whole(1, 2**16),
        "orthogonality": WEIGHT,
        "penalty": WEIGHT,
        "prediction": positive(1e6),
        "predictor_graph": WEIGHT,
        "ridge": WEIGHT,
        "samples": whole(1),
        "selected_blocks": whole(1, 4096),
        "tolerance": WEIGHT,
        "video_sizes": LAYERS,
    },
    "memory": {
        "capacity": whole(1, 10**6),
        "match_threshold": Range(0, 1),
        "merge_threshold": Range(-1, 1),
        "smallest_weight": Range(0, 1),
        "warmup_epochs": ROUNDS,
    },
    "loss": {
        "adversarial": WEIGHT,
        "balance": WEIGHT,
        "code_similarity": WEIGHT,
        "cross_entropy_weight": WEIGHT,
        "feature_similarity": WEIGHT,
        "graded_similarity": WEIGHT,
        "intra_similarity": WEIGHT,
        "label": WEIGHT,
        "label_share": Range(0, 1),
        "label_smoothing": SHARE,
        "label_weight": WEIGHT,
        "quantisation": WEIGHT,
        "ranked_list_boundary": WEIGHT,
        "ranked_list_margin": WEIGHT,
        "ranked_list_temperature": WEIGHT,
        "ranked_list_weight": WEIGHT,
        "similarity": WEIGHT,
        "structure_audio": WEIGHT,
        "structure_video": WEIGHT,
        "structure_weight": WEIGHT,
        "triplet_margin": WEIGHT,
        "triplet_weight": WEIGHT,
    },
    "alternation": {
        "decay": Range(0, 1, open_low=True),
        "passes": whole(0, 10**6),
        "rates": Range(0, 1e6),
    },
    "optimizer": {
        "clip_norm": WEIGHT,
        "learning_rate": positive(1e3),
        "warmup_steps": whole(0),
        "weight_decay": Range(0, 1e3),
    },
    "train": {
        "batch_size": whole(1, 2**20),
        "ema_decay": SHARE,
        "epochs": whole(1, 10**6),
        "evaluate_every": whole(1, 10**6),
        "loader_threads": whole(1, 1024),
        "patience": ROUNDS,
    },
    "evaluation": {
        "batch_size": whole(1, 2**20),
        "ks": whole(1),
        "map_cutoffs": whole(1, at_least=0),
        "report_items": whole(0, 10**6),
    },
}


def range_of(field: str) -> Range | None:
    """The row of a dotted field; None where it has none.

    Candidates of a method's options, in `grid` and `baselines.METHOD`, have the row of `model`.
    """
    *groups, name = field.split(".")
    group = "model" if groups[:1] in (["grid"], ["baselines"]) else ".".join(groups)
    return RANGES.get(group, {}).get(name)


def check_ranges(fields: Iterable[tuple[str, Any]]) -> None:
    """Refuses numbers that cannot be.

    Args:
      fields: (dotted field, value) of a config.

    Raises:
      UserError: the first such field.
    """
    for field, value in fields:
        row = range_of(field)
        if row is not None:
            empty = isinstance(value, tuple | list) and not value
            if not (empty and field.startswith("grid.")):  # A grid may leave a constant as it is.
                row.check(field, value)
            continue
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, int | float) and not isinstance(one, bool):
                FINITE.check(field, one)
