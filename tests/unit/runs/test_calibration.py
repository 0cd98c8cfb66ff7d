"""What System C learns of its input: from the whole training split, whatever the batches it is read in."""

import dataclasses

import numpy as np
import pytest

from avx.core.dataset import Card, Dataset
from avx.runs import bundle
from avx.runs.fit import fit
from avx.runs.studies import overridden
from configs import feature_memory_embedded

COUNT, STEPS, WIDTH = 36, 5, 13
NARROW = {
    "features.max_audio_steps": STEPS,
    "features.mfcc_coefficients": WIDTH,
    "features.mfcc_deltas": False,
    "keyframes.max_clusters": 2,
    "model.lstm_size": 3,
    "model.mapping_size": 4,
    "model.fusion_size": 4,
    "memory.capacity": 6,
    "memory.warmup_epochs": 0,
    "memory.match_threshold": 0.1,
    "train.batch_size": 8,
    "train.epochs": 1,
    "train.evaluate_every": 1,
}


def corpus():
    """Clips of four classes, one after the other, whose sounds differ in level from class to class."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), COUNT // 4)
    lengths = generator.integers(1, STEPS + 1, COUNT)
    sounds = [
        (generator.normal(size=(length, WIDTH)) * np.logspace(-3, 2, WIDTH) + 50 * label).astype(np.float32)
        for label, length in zip(labels, lengths, strict=True)
    ]
    frames = generator.random((COUNT, 2, 504)).astype(np.float32)
    rows = np.arange(COUNT)
    return Dataset(
        name="levels",
        class_names=("a", "b", "c", "d"),
        ids=tuple(f"clip{row}" for row in rows),
        labels=labels,
        split={"train": rows[rows % 3 != 2], "val": rows[rows % 6 == 2], "test": rows[rows % 6 == 5]},
        load=lambda row: {"video": frames[row], "audio": sounds[row]},
        shapes=lambda row: {"video": frames[row].shape, "audio": sounds[row].shape},
        card=lambda row: Card(),
    )


@pytest.fixture(scope="module")
def arrays(tmp_path_factory, one_device):
    """evaluation.batch_size -> every array of the model that is fitted with it."""

    def fitted(rows):
        config = feature_memory_embedded.get_config().lock()
        config = overridden(config, NARROW | {"evaluation.batch_size": rows})
        workdir = tmp_path_factory.mktemp("run")
        fit(config, corpus(), workdir)
        with np.load(workdir / bundle.FOLDER / "arrays.npz") as archive:
            return {name: archive[name] for name in archive.files}

    return {rows: fitted(rows) for rows in (2, 32)}


def test_the_rows_that_are_embedded_at_once_change_no_bit_of_the_model(arrays):
    few, many = arrays[2], arrays[32]
    assert few.keys() == many.keys() and any("memory" in name for name in few)
    for name, values in few.items():
        np.testing.assert_array_equal(values, many[name], err_msg=name)


def test_the_statistics_are_those_of_all_training_clips(arrays):
    dataset = corpus()
    steps = np.concatenate([dataset.load(row)["audio"] for row in dataset.rows("train").tolist()]).astype(np.float64)
    (mean,) = (values for name, values in arrays[2].items() if "audio" in name and name.endswith(".mean"))
    (deviation,) = (values for name, values in arrays[2].items() if "audio" in name and name.endswith(".deviation"))
    np.testing.assert_allclose(mean, steps.mean(0), rtol=1e-5)
    floor = 0.05 * np.sqrt(steps.var(0).mean())
    np.testing.assert_allclose(deviation, np.maximum(steps.std(0), floor), rtol=1e-5)
    everyone = np.concatenate([dataset.load(row)["audio"] for row in range(COUNT)])
    assert np.abs(everyone.mean(0) - mean).max() > 1e-3, "the test clips would be seen"


def test_without_the_field_inputs_stay_as_they_are(tmp_path):
    config = overridden(feature_memory_embedded.get_config().lock(), NARROW | {"model.standardise_input": False})
    retriever = fit(config, corpus(), tmp_path / "run")
    statistics = retriever.model_state.buffers["statistics"]["audio"]
    np.testing.assert_array_equal(statistics.mean, np.zeros(WIDTH))
    np.testing.assert_array_equal(statistics.deviation, np.ones(WIDTH))
    assert dataclasses.asdict(retriever.specs[1])["length"] == STEPS
