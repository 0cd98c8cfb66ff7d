"""Runs: fitting a method to a dataset, its workdir, and the retriever that people ask."""

from __future__ import annotations

from pathlib import Path

from avx.runs.retriever import EmbeddedItems, Retriever

__all__ = ["EmbeddedItems", "Retriever", "load"]


def load(workdir: Path | str) -> Retriever:
    """Loads the fitted method of a run; it needs the workdir alone.

    Args:
      workdir: of `experiments.train`, finished or after its first evaluation.

    Raises:
      UserError: no fitted model in it, a damaged one, or one of a newer format.
    """
    from avx.runs import bundle

    return bundle.read(Path(workdir))[0]
