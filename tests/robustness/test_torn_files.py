"""Every file of a run torn or flipped: refused with one sentence, replaced by the one before, or read as it was."""

import collections
import io
import random
import shutil
from contextlib import redirect_stderr

import jax
import numpy as np
import optax
import pytest
from toy_job import count, run
from toy_system import AUDIO_SIZE, STEPS, VIDEO_SIZE, toy_features, toy_system

import avx
from avx.core.errors import UserError
from avx.data import batches
from avx.data.batches import ModalitySpec
from avx.reports.files import read_result
from avx.training import state as train_state
from avx.training.checkpoint import Checkpointer, Progress

HASH = "0123456789abcdef"
SPECS = (ModalitySpec("video", STEPS, (VIDEO_SIZE,)), ModalitySpec("audio", STEPS, (AUDIO_SIZE,)))
CLIPS = toy_features(22)
KINDS = ("deleted", "emptied", "halved", "zeroed", *["flipped"] * 6)


def harm(path, kind, generator):
    """Damages a file; returns False where that changes nothing."""
    content = path.read_bytes()
    if kind == "deleted":
        path.unlink()
        return True
    if not content:
        return False
    if kind == "flipped":
        place = generator.randrange(len(content))
        changed = bytearray(content)
        changed[place] ^= 1 << generator.randrange(8)
    else:
        changed = {"emptied": b"", "halved": content[: len(content) // 2], "zeroed": bytes(len(content))}[kind]
    path.write_bytes(bytes(changed))
    return bytes(changed) != content


def iterator():
    return batches.train_iterator(CLIPS.__getitem__, np.arange(22), SPECS, batch_size=8, seed=0, num_threads=0)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(folder, states by step) of two checkpoints of one run, with momentum, an average and an iterator."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    batch = batches.assemble(CLIPS[:8], np.arange(8), SPECS)
    state = train_state.create(toy_system(), optax.adam(0.1), 0, batch, ema=True)
    checkpointer, feed, states = Checkpointer(folder, HASH, wait=True), iterator(), {}
    for step in (3, 6):
        for _ in range(3):
            next(feed)
        generator = np.random.default_rng(step)
        state = jax.tree.map(lambda leaf: (generator.normal(size=leaf.shape) * 9).astype(leaf.dtype), state)
        checkpointer.save(state, feed, Progress(step, 3, 0.5, examples_seen=8 * step), 0.5)
        states[step] = state
    return folder, states


def same(first, second):
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def restored(folder, states):
    """What became of the checkpoints of a folder, in a word; anything but these is an error of the test."""
    feed, told = iterator(), io.StringIO()
    try:
        with redirect_stderr(told):
            state, progress = Checkpointer(folder, HASH).restore(states[6], feed)
    except UserError as error:
        assert str(folder) in str(error) and "\n" not in str(error)
        return "refused"
    assert progress == Progress(progress.step, 3, 0.5, examples_seen=8 * progress.step)
    assert same(state, states[progress.step]), "silently other numbers"
    assert feed.get_state()["next_index"] == progress.step
    if progress.step == 6:
        assert told.getvalue() == ""
        return "equal"
    assert "6 is damaged" in told.getvalue() and told.getvalue().count("\n") == 1
    assert (folder / "6.damaged").is_dir()
    return "the one before"


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True], ids=["two checkpoints", "one checkpoint"])
def test_a_torn_or_flipped_checkpoint_file_is_never_believed(saved, tmp_path, alone, figures):
    folder, states = saved
    generator, tally = random.Random(7), collections.Counter()
    files = sorted(path.relative_to(folder) for path in (folder / "6").rglob("*") if path.is_file())
    for number in range(count(60, 216)):
        copy = shutil.copytree(folder, tmp_path / str(number))
        if alone:
            shutil.rmtree(copy / "3")
        kind, path = KINDS[(number // len(files)) % len(KINDS)], copy / files[number % len(files)]
        changed = harm(path, kind, generator)
        found = restored(copy, states)
        assert changed or found == "equal"
        tally[found] += 1
        shutil.rmtree(copy)
    assert not (alone and tally["the one before"]) and tally["refused" if alone else "the one before"] > number / 4
    figures.append(f"checkpoint files torn or flipped, {'one' if alone else 'two'} there: {dict(tally)}")


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory, one_device):
    """The workdir of a finished run."""
    workdir = tmp_path_factory.mktemp("finished") / "run"
    run(data, workdir)
    return workdir


def test_a_torn_or_flipped_model_is_never_believed(finished, data, tmp_path, figures):
    vectors = np.random.default_rng(0).random((5, 10)).astype(np.float32)
    expected = avx.load(finished).embed("text", vectors).vectors
    generator, tally = random.Random(8), collections.Counter()
    files = sorted(path.relative_to(finished) for path in (finished / "model").iterdir())
    for number in range(count(20, 200)):
        copy = tmp_path / str(number)
        shutil.copytree(finished / "model", copy / "model")
        harm(copy / files[number % len(files)], KINDS[(number // len(files)) % len(KINDS)], generator)
        try:
            assert np.array_equal(avx.load(copy).embed("text", vectors).vectors, expected), "silently other numbers"
            tally["equal"] += 1
        except UserError as error:
            assert str(copy) in str(error) and "\n" not in str(error)
            tally["refused"] += 1
        shutil.rmtree(copy)
    assert tally["refused"] >= 0.9 * sum(tally.values())
    figures.append(f"model files torn or flipped: {dict(tally)}")


def test_the_same_command_writes_a_damaged_model_anew(finished, data, tmp_path, one_device):
    """As the sentence about it promises; of the trained method and of its baseline."""
    for place in ("model", "baselines/cca/model"):
        copy = shutil.copytree(finished, tmp_path / place.replace("/", "_"))
        path = copy / place / "arrays.npz"
        whole = path.read_bytes()
        path.write_bytes(whole[:100])
        if place == "model":
            with pytest.raises(UserError, match="run the same training command again"):
                avx.load(copy)
        else:
            (copy / "results" / "result.json").unlink()
        run(data, copy)
        assert np.load(path).files == np.load(finished / place / "arrays.npz").files
        for name, values in np.load(finished / place / "arrays.npz").items():
            np.testing.assert_array_equal(values, np.load(path)[name])


def test_torn_results_and_records_are_refused_or_read(finished, tmp_path, figures):
    """The JSON files and arrays that a run reads again; a flip in a text may leave another text, never a trace."""
    names = ["config.json", "data.json", "results/result.json", "results/ranks.npz"]
    generator, tally = random.Random(9), collections.Counter()
    from avx.runs import workdir as workdirs

    for number in range(count(40, 400)):
        copy = tmp_path / str(number)
        for name in names:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(finished / name, copy / name)
        name = names[number % len(names)]
        harm(copy / name, KINDS[(number // len(names)) % len(KINDS)], generator)
        try:
            workdirs.load_config(copy)
            workdirs.read_json(copy / workdirs.DATA)
            read_result(copy)
            tally["read"] += 1
        except UserError as error:
            assert name.rpartition("/")[2] in str(error) and "\n" not in str(error), error
            tally["refused"] += 1
        shutil.rmtree(copy)
    assert tally["refused"] > 0.5 * sum(tally.values())
    figures.append(f"result and record files torn or flipped: {dict(tally)}")
