"""What each part of system C is worth, one field at a time.

Command:  python -m experiments.sweep --config=configs/feature_memory_embedded.py \
              --ablations=configs/ablations/feature_memory.py
"""

from collections.abc import Iterator

GRID = {
    "model.score": ("blend", "distance", "printed"),
    "memory.capacity": (10, 25, 100, 200),
    "memory.match_threshold": (0.7, 0.9),
    "memory.merge_threshold": (0.3, 0.7, 0.9),
    "memory.eviction": ("lfu",),
    "memory.require_label": (False,),
    "memory.warmup_epochs": (0,),
    "loss.cross_entropy_on": ("score",),
    "loss.positives": ("instance",),
}


def variants() -> Iterator[tuple[str, dict]]:
    """(name, overrides)."""
    yield "full", {}
    yield "no memory", {"memory.enabled": False}
    yield "no triplet", {"loss.triplet_weight": 0.0}
    yield "no cross entropy", {"loss.cross_entropy_weight": 0.0, "model.match": "cosine"}
    for field, values in GRID.items():
        for value in values:
            yield f"{field}={value}", {field: value}
