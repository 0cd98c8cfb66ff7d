"""Audio-visual cross-modal retrieval in JAX: published systems, the methods they are compared with, one evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avx.runs import Retriever

__version__ = "0.1.0"


def load(workdir: Path | str) -> Retriever:
    """Loads the fitted method of a run, which then embeds files, searches and explains; it needs the workdir alone.

    Args:
      workdir: of `avx train`, finished or after its first evaluation.

    Raises:
      UserError: no fitted model in it, a damaged one, or one of a newer format.
    """
    from avx import runs  # imports jax, which takes a second

    return runs.load(workdir)
