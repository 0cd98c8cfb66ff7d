"""One of two processes that train the toy system together: python toy_process.py RANK PORT WORKDIR [SIGNAL_AT]."""

import os
import signal
import sys
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import numpy as np
import optax
from toy_system import AUDIO_SIZE, STEPS, VIDEO_SIZE, toy_features, toy_system

from avx.data import batches
from avx.data.batches import ModalitySpec, Shard
from avx.training import loop
from avx.training import state as train_state
from avx.training.checkpoint import Checkpointer, Progress
from avx.training.schedule import Schedule
from avx.training.step import make_train_step

rank, port, workdir, at = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"localhost:{port}", 2, rank)
clips = toy_features(22)
specs = (ModalitySpec("video", STEPS, (VIDEO_SIZE,)), ModalitySpec("audio", STEPS, (AUDIO_SIZE,)))
iterator = batches.train_iterator(
    clips.__getitem__, np.arange(22), specs, batch_size=8, seed=0, shard=Shard(rank, 2), num_threads=0
)
system, optimizer = toy_system(), optax.adam(0.05)
state = train_state.create(system, optimizer, 0, batches.assemble(clips[:8], np.arange(8), specs), ema=True)
checkpointer, progress = Checkpointer(workdir / "checkpoints", "0" * 16), Progress()
if checkpointer.latest_step() is not None:
    state, progress = checkpointer.restore(state, iterator)
plain, steps = make_train_step(system, optimizer, 0, ema_decay=0.9), 0


def step(state, batch, stop):
    global steps
    steps += 1
    if rank == 1 and steps == at:
        os.kill(os.getpid(), signal.SIGTERM)
    return plain(state, batch, stop)


try:
    state, progress = loop.train(
        step,
        state,
        iterator,
        schedule=Schedule(9, 1, 0, 1, "score"),
        evaluate=lambda state: {"score": float(np.abs(np.asarray(state.params["video"])).sum())},
        checkpointer=checkpointer,
        workdir=workdir,
        progress=progress,
        show_progress=False,
    )
    print("finished", progress.step, progress.examples_seen, repr(progress.best_score))
except loop.Stopped:
    print("stopped", progress.step)
