"""Several processes: joining them from the environment, waiting for each other, and who does what."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from avx.core.errors import UserError

EXPLICIT = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
MESSAGE_BYTES = 2048


def initialize() -> None:
    """Joins the other processes of a run; does nothing for a single one.

    Reads JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID, as a Kubernetes job sets them, or
    a Slurm allocation of several tasks.

    Raises:
      UserError: some of the three variables are set and others are not.
    """
    given = [name for name in EXPLICIT if os.environ.get(name)]
    if given:
        missing = sorted(set(EXPLICIT) - set(given))
        if missing:
            raise UserError(f"{given[0]} is set but {', '.join(missing)} is not; set all of {', '.join(EXPLICIT)}.")
        jax.distributed.initialize(os.environ[EXPLICIT[0]], int(os.environ[EXPLICIT[1]]), int(os.environ[EXPLICIT[2]]))
    elif int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        jax.distributed.initialize()


def is_leader() -> bool:
    """True in the one process that writes files and prints."""
    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Waits until every process has come to the barrier of this name."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(name)


def lead(action: Callable[[], None]) -> None:
    """Runs an action in the first process, while the others wait for its end.

    Raises:
      UserError: that of the action, in every process.
    """
    failure: UserError | None = None
    if is_leader():
        try:
            action()
        except UserError as error:
            failure = error
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        told = str(failure or "").encode()[:MESSAGE_BYTES].ljust(MESSAGE_BYTES, b"\0")
        heard = np.asarray(multihost_utils.broadcast_one_to_all(np.frombuffer(told, np.uint8)))
        sentence = heard.tobytes().rstrip(b"\0").decode(errors="replace")
        failure = failure or (UserError(sentence) if sentence else None)
    if failure is not None:
        raise failure


def check_agreement(what: str, digest: str) -> None:
    """Compares a digest over all processes.

    Args:
      what: named in the message.
      digest: hex digits, the same number in every process.

    Raises:
      UserError: the processes differ, in each of them.
    """
    if jax.process_count() == 1:
        return
    from jax.experimental import multihost_utils

    mine = np.frombuffer(bytes.fromhex(digest), np.uint8)
    everyone = np.asarray(multihost_utils.process_allgather(mine))
    different = np.flatnonzero((everyone != everyone[0]).any(1))
    if len(different):
        raise UserError(
            f"process {different[0]} has {what} other than process 0; give all processes the same files, and caches "
            "and workdirs on a disk that they share."
        )


def share(rows: np.ndarray) -> np.ndarray:
    """Returns this process's rows of (n,), n at least 1: contiguous parts of one length, the last row repeated."""
    size = -(-len(rows) // jax.process_count())
    places = np.arange(jax.process_index() * size, (jax.process_index() + 1) * size)
    return rows[np.minimum(places, len(rows) - 1)]


def gathered(tree: Any, count: int) -> Any:
    """Joins what all processes made of their `share` of `count` rows.

    Args:
      tree: arrays (size, ...) of this process.
      count: n rows that were shared out.

    Returns:
      The same pytree with arrays (n, ...), rows in their order.
    """
    if jax.process_count() == 1:
        return tree
    from jax.experimental import multihost_utils

    whole = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], whole)
