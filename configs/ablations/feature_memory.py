"""What each part of system C is worth, one field at a time.

Command:  python -m experiments.sweep --config=configs/feature_memory_embedded.py \
              --ablations=configs/ablations/feature_memory.py
"""

from collections.abc import Iterator

GRID = {
    "model.score": ("blend", "distance", "printed"),
    "model.capacity": (10, 25, 100, 200),
    "model.match_threshold": (0.7, 0.9),
    "model.merge_threshold": (0.3, 0.7, 0.9),
    "model.eviction": ("lfu",),
    "model.require_label": (False,),
    "model.warmup_epochs": (0,),
    "loss.judged": ("score",),
    "loss.positives": ("instance",),
}


def variants() -> Iterator[tuple[str, dict]]:
    """(name, overrides)."""
    yield "full", {}
    yield "no memory", {"model.memory": False}
    yield "no triplet", {"loss.triplet_weight": 0.0}
    yield "no cross entropy", {"loss.cross_entropy_weight": 0.0}
    for field, values in GRID.items():
        for value in values:
            yield f"{field}={value}", {field: value}
