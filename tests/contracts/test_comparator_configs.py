"""Every config of a closed-form comparator builds its system, holds nothing else, and searches what exists."""

import ast
import dataclasses
import itertools
import runpy
from pathlib import Path

import pytest

from avx.systems import projection_hashing, projections, semantic_spaces
from configs import semantic_hashing
from configs.comparators import smfh

FOLDER = Path(__file__).parents[2] / "configs" / "comparators"
PATHS = sorted(path for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "base"))
SYSTEMS = {
    "pca": (projections.build_pca, projections.PCAOptions),
    "cca": (projections.build_cca, projections.CCAOptions),
    "kcca": (projections.build_kcca, projections.KCCAOptions),
    "cvh_linear": (projection_hashing.build_cvh_linear, projection_hashing.CVHLinearOptions),
    "cvh_anchors": (projection_hashing.build_cvh_anchors, projection_hashing.CVHAnchorsOptions),
    "smfh": (projection_hashing.build_smfh, projection_hashing.SMFHOptions),
    "sm": (semantic_spaces.build_sm, semantic_spaces.SMOptions),
    "scm": (semantic_spaces.build_scm, semantic_spaces.SCMOptions),
}
GROUPS = {"name", "system", "seed", "data", "features", "model", "grid", "evaluation"}


def load(path):
    return runpy.run_path(str(path))["get_config"]().lock()


def options(config, **change):
    """The system's options from the groups of a config, the number of classes and the seed as a run gives them."""
    kind = SYSTEMS[config.system][1]
    given = {"classes": 10, "seed": config.seed}
    known = {field.name for field in dataclasses.fields(kind)}
    return kind(**(dict(config.model) | {field: given[field] for field in given if field in known} | change))


def test_every_system_has_a_config():
    assert [path.stem for path in PATHS] == sorted(SYSTEMS)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_config_builds_its_system_and_holds_no_other_group(path):
    config = load(path)
    assert set(config) == GROUPS and config.name == config.system == path.stem
    assert config.data.to_dict() == semantic_hashing.get_config().data.to_dict()
    assert SYSTEMS[config.system][0](options(config)).fit is not None


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_candidates_are_valid_values_of_existing_fields_and_hold_the_chosen_one(path):
    config = load(path)
    searched = {field: values for field, values in config.grid.items() if values}
    assert searched
    present = dict(config.model) | {"standardise": config.features.standardise}
    for field, values in searched.items():
        assert present[field] in values, f"grid.{field} lacks the value that the config has"
    for combination in itertools.product(*searched.values()):
        change = dict(zip(searched, combination, strict=True))
        change.pop("standardise", None)
        options(config, **change)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_config_states_command_hardware_and_result(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    for word in ("Command:", f"--config=configs/comparators/{path.name}", "Hardware:", "Time and result:"):
        assert word in text, f"{path.name} does not state {word}"


def test_columns_are_standardised_where_the_published_rows_had_them_so():
    found = {path.stem for path in PATHS if load(path).features.standardise}
    assert found == {"pca", "sm", "cvh_anchors"}


def test_the_other_smfh_has_its_own_published_values():
    config = smfh.get_config("ijcai")
    assert (config.model.prediction, config.model.graph, config.model.penalty) == (40.0, 2.0, 1e-4)
    assert SYSTEMS["smfh"][0](options(config)).title == "SMFH (non-negative)"
    assert not any(config.grid.values())
