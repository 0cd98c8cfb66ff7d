"""Studies over seeds: fields by name, data of another config, finished runs, and constants chosen on validation."""

import types

import pytest

from avx.core.errors import UserError
from avx.core.result import Result
from avx.runs import studies
from avx.runs.studies import Study, choose, on_data_of, overridden, read_config, run_all, variants, workdir_of
from configs import semantic_hashing
from configs.comparators import cca


def config_of(module=semantic_hashing, **fields):
    return overridden(module.get_config().lock(), fields)


def test_overrides_keep_their_types_and_leave_the_config_alone():
    config = config_of()
    changed = overridden(config, {"model.bits": 16, "features.kinds": ("image", "text_tfidf")})
    assert (changed.model.bits, changed.features.kinds) == (16, ("image", "text_tfidf")) and changed.is_locked
    assert config.model.bits == 32
    with pytest.raises(UserError, match=r"override cannot be applied: .*bitz"):
        overridden(config, {"model.bitz": 16})
    with pytest.raises(UserError, match="override cannot be applied"):
        overridden(config, {"model.bits": "many"})


def test_files_that_are_not_what_is_asked_for_are_named(tmp_path):
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(UserError, match=r"nowhere\.py does not exist"):
        read_config("nowhere.py")
    with pytest.raises(UserError, match=r"empty\.py has no get_config\(\)"):
        read_config(str(tmp_path / "empty.py"))
    with pytest.raises(UserError, match=r"empty\.py has no variants\(\)"):
        list(variants(str(tmp_path / "empty.py")))
    with pytest.raises(UserError, match=r"nowhere\.py does not exist"):
        list(variants("nowhere.py"))
    assert list(variants("")) == [("", {})]
    (tmp_path / "told.py").write_text("from configs.comparators.smfh import get_config")
    assert read_config(f"{tmp_path / 'told.py'}:ijcai").model.form == "ijcai"


def test_another_method_runs_on_the_data_of_the_first_and_scales_as_it_does_itself():
    first = config_of(**{"data.root": "here", "data.validation_share": 0.3, "features.kinds": ("image", "text_tfidf")})
    other = config_of(cca, **{"data.root": "there"})
    found = on_data_of(other, first)
    assert (found.system, found.model.dimensions, found.data.root, found.data.validation_share) == (
        "cca",
        5,
        "here",
        0.3,
    )
    assert found.features.kinds == ("image", "text_tfidf") and found.evaluation == first.evaluation
    assert (found.features.standardise, first.features.standardise) == (False, True)
    assert "optimizer" not in found and other.data.root == "there"


@pytest.fixture
def ran(monkeypatch):
    """A job that is never really run: it notes its config, and gives what `ran.judge` says of it."""
    noted = types.SimpleNamespace(configs=[], finished=set(), judge=lambda config: ({}, {}))

    def run(config, workdir):
        if workdir not in noted.finished:
            noted.configs.append(config)
            noted.finished.add(workdir)
        validation, training = noted.judge(config)
        return Result({"items": {"train": 100}}, (), validation, training)

    monkeypatch.setattr(studies.job, "run", run)
    monkeypatch.setattr(studies.job, "is_finished", lambda config, workdir: workdir in noted.finished)
    return noted


def test_a_finished_run_is_shared_by_whoever_asks_for_its_config(ran, tmp_path):
    config = config_of()
    asked = [Study("a", config, {"model.bits": 16}), Study("b", overridden(config, {"model.bits": 16}), {})]
    found = list(run_all(asked, [0, 1], tmp_path))
    assert [(one.study.name, one.seed) for one in found] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert [config.seed for config in ran.configs] == [0, 1], "two configs that are equal are one run"
    assert found[0].workdir == found[1].workdir != found[2].workdir
    assert found[0].workdir.parent == tmp_path / "runs"


def test_the_folder_of_a_run_depends_on_what_decides_its_numbers(tmp_path):
    config = config_of()
    same = overridden(config, {"data.root": "elsewhere", "evaluation.batch_size": 7, "train.loader_threads": 9})
    assert workdir_of(tmp_path, same) == workdir_of(tmp_path, config)
    assert workdir_of(tmp_path, overridden(config, {"seed": 1})) != workdir_of(tmp_path, config)


CANDIDATES = ({"model.bits": 8}, {"model.bits": 16}, {"model.bits": 24})


def test_constants_are_chosen_by_the_mean_over_cuts_and_epochs_by_the_middle_one(ran, tmp_path):
    """Batches of 64 of 100 items are two steps an epoch; the cuts stop after 7, 9 and 8 epochs."""
    scores = {8: (0.9, 0.1, 0.1), 16: (0.5, 0.4, 0.6), 24: (0.3, 0.3, 0.3)}
    steps = (14, 18, 16)

    def judge(config):
        cut = config.data.split_seed - 5
        return {"class/map": scores[config.model.bits][cut]}, {"best_step": steps[cut]}

    ran.judge = judge
    best, tried = choose(config_of(), CANDIDATES, range(5, 8), tmp_path)
    assert best == {"model.bits": 16, "train.epochs": 8}
    assert [one["validation"] for one in tried] == pytest.approx([1.1 / 3, 0.5, 0.3])
    assert [config.data.split_seed for config in ran.configs] == [5, 6, 7] * 3
    assert {config.seed for config in ran.configs} == {0}


def test_of_a_closed_form_the_constants_alone_are_chosen(ran, tmp_path):
    ran.judge = lambda config: ({"class/map": -config.model.ridge}, {})
    best, tried = choose(config_of(cca), [{"model.ridge": 0.1}, {"model.ridge": 0.01}], [0], tmp_path)
    assert best == {"model.ridge": 0.01} and len(tried) == 2


def test_nothing_to_choose_by_is_named(ran, tmp_path):
    with pytest.raises(UserError, match=r"no validation items to choose by; give data\.validation_share"):
        choose(config_of(), CANDIDATES, [0], tmp_path)
    assert len(ran.configs) == 1
