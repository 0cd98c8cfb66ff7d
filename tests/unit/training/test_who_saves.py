"""Of several processes the leader alone saves, and a step once."""

import numpy as np
import pytest

from avx.core import processes
from avx.core.types import ModelState, TrainState
from avx.training.checkpoint import Checkpointer, Progress


def state_of(value):
    return TrainState(np.int32(3), {"w": np.full(2, value)}, None, ModelState(buffers=np.ones(1)))


def saved(folder):
    return Checkpointer(folder, "0" * 16).restore(state_of(0.0))[0].params["w"].tolist()


def test_a_process_that_does_not_lead_writes_nothing(tmp_path, monkeypatch):
    checkpointer = Checkpointer(tmp_path, "0" * 16, wait=True)
    with monkeypatch.context() as patch:
        patch.setattr(processes, "is_leader", lambda: False)
        checkpointer.save(state_of(1.0), None, Progress(step=3))
    assert checkpointer.steps() == []
    checkpointer.save(state_of(1.0), None, Progress(step=3))
    assert checkpointer.steps() == [3]
    checkpointer.close()


@pytest.mark.parametrize("anew", [False, True])
def test_a_step_that_is_saved_is_not_saved_again(tmp_path, anew):
    checkpointer = Checkpointer(tmp_path, "0" * 16, wait=True)
    checkpointer.save(state_of(1.0), None, Progress(step=3))
    if anew:
        checkpointer.close()
        checkpointer = Checkpointer(tmp_path, "0" * 16, wait=True)
    checkpointer.save(state_of(2.0), None, Progress(step=3))
    checkpointer.close()
    assert saved(tmp_path) == [1.0, 1.0]
