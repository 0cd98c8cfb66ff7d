"""What the tfds builders share: quiet construction, text that comes back as bytes, and examples as sets of clips."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from avx.data.records import Clips, Record
from avx.media.atomic import write_bytes

_COLUMNS_FILE = "clip_columns.json"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps back what tfds says about configurations that are not in its own catalogue."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(before)


def text_of(value: bytes | str) -> str:
    """A text feature as str; array_record files give it back as UTF-8 bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def tfds_clips(
    data_source: Sequence[Mapping[str, Any]], class_names: Sequence[str] | None = None, name: str | None = None
) -> Clips:
    """Lists a tfds data source of {clip_id, media, label, caption} examples, with or without speech, split and group.

    tfds shuffles when it writes, so the clips are put in order of clip id: the order is a property of the data. Every
    example is read once, and what is known of the clips is kept in a small file beside the dataset: the next start
    reads that alone.

    Args:
      data_source: random access to examples; `clip_id` and `caption` are str or UTF-8 bytes, `media` a whole file.
      class_names: None takes those of the data source's `label` feature.
      name: None takes the data source's dataset name.

    Raises:
      UserError: a clip id occurs twice.
    """
    info = getattr(data_source, "dataset_info", None)
    if class_names is None:
        class_names = info.features["label"].names if info is not None else ()
    if name is None:
        name = info.name if info is not None else "tfds"
    folder = getattr(info, "data_dir", None)
    columns = _columns(data_source, Path(folder) / _COLUMNS_FILE if folder else None)
    order = sorted(range(len(columns)), key=lambda place: columns[place]["clip_id"])
    listed = [columns[place] for place in order]

    def record(row: int) -> Record:
        example = data_source[order[row]]
        return Record(bytes(example["media"]), None, bytes(example["speech"]) if "speech" in example else None)

    return Clips(
        name=name,
        class_names=tuple(class_names),
        ids=tuple(one["clip_id"] for one in listed),
        labels=np.array([one["label"] for one in listed], np.int64),
        captions=tuple(one["caption"] for one in listed),
        splits=tuple(one["split"] for one in listed),
        groups=tuple(one["group"] for one in listed),
        shot_boundaries=tuple(tuple(one["shot_boundaries"]) for one in listed),
        files=("",) * len(listed),
        spoken=np.array([one["spoken"] for one in listed], bool),
        record=record,
    )


def _columns(data_source: Sequence[Mapping[str, Any]], path: Path | None) -> list[dict[str, Any]]:
    """What is known of each example but its media, from the file at `path` where an earlier start has left it."""
    if path is not None:
        with contextlib.suppress(OSError, ValueError):
            kept = json.loads(path.read_text(encoding="utf-8"))
            if len(kept) == len(data_source):
                return kept
    columns = []
    for place in range(len(data_source)):
        example = data_source[place]
        columns.append(
            {
                "clip_id": text_of(example["clip_id"]),
                "label": int(example["label"]),
                "caption": text_of(example["caption"]),
                "split": text_of(example.get("split", "")),
                "group": text_of(example.get("group", "")),
                "shot_boundaries": [float(time) for time in example.get("shot_boundaries", ())],
                "spoken": "speech" in example,
            }
        )
    if path is not None:
        with contextlib.suppress(OSError):  # The folder may be for reading alone.
            write_bytes(path, json.dumps(columns).encode())
    return columns
