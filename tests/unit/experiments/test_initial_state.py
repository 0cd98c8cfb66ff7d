"""The clips that a system sees when it is initialised."""

import types

import numpy as np
from experiments.run import Run
from ml_collections import ConfigDict

from avx.data.batches import ModalitySpec
from experiments import run


def labels_seen(monkeypatch, seed):
    """Labels of the example batch of a corpus of 8 classes in the order of its folders, 40 clips each."""
    seen = []
    monkeypatch.setattr(run.train_state, "create", lambda *arguments: seen.append(arguments[3]))
    part = types.SimpleNamespace(
        config=ConfigDict({"seed": seed, "evaluation": {"batch_size": 32}, "train": {"ema_decay": 0.0}}),
        split={"train": np.arange(320)},
        load=lambda index: {"video": np.full((1, 1), index, np.float32), "label": np.int32(index // 40)},
        specs=(ModalitySpec("video", 1, (1,)),),
        system=None,
        optimizer=None,
        imported=None,
    )
    Run.initial_state(part)
    return np.asarray(seen[0].label)


def test_all_classes_are_seen_though_files_lie_class_by_class(monkeypatch):
    first = labels_seen(monkeypatch, 0)
    assert first.shape == (32,) and len(set(first.tolist())) == 8
    np.testing.assert_array_equal(first, labels_seen(monkeypatch, 0))
    assert not np.array_equal(first, labels_seen(monkeypatch, 1))
