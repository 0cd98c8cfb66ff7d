"""Fits and keeps the closed-form methods that stand beside a run, so that every evaluation has the same ones."""

from __future__ import annotations

from pathlib import Path

from ml_collections import ConfigDict

from avx.core import processes
from avx.core.dataset import Dataset
from avx.core.errors import UserError
from avx.registry.systems import baseline_config
from avx.runs import bundle
from avx.runs.feature_layout import facts_of
from avx.runs.fit import closed_form
from avx.runs.retriever import Retriever

FOLDER = "baselines"


def fit_baselines(config: ConfigDict, dataset: Dataset, workdir: Path) -> list[Retriever]:
    """Fits the methods of `config.baselines` to the training split of a run, or reads those that it has kept.

    Their constants are chosen on the validation split. A method that too few training items allow for is left out.

    Args:
      config: of the run.
      dataset: of the run.
      workdir: of the run; fitted methods are kept here.

    Raises:
      UserError: an unknown method.
    """
    found = []
    for name, grid in config.get("baselines", {}).items():
        asked, folder = baseline_config(name, config, grid), workdir / FOLDER / name
        if not bundle.is_whole(folder):
            try:
                fitted = closed_form(asked, dataset, grid)
            except UserError:
                continue
            if processes.is_leader():
                bundle.write(folder, fitted, facts_of(asked, dataset), 0)
        else:
            fitted = bundle.read(folder)[0]
        found.append(fitted)
    return found


def read_baselines(workdir: Path) -> list[Retriever]:
    """Reads the fitted baselines that a run has kept."""
    folders = sorted((workdir / FOLDER).glob("*"))
    return [bundle.read(folder)[0] for folder in folders if bundle.step_of(folder) is not None]
