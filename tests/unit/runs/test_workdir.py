"""Whose a workdir is, of which data, and what may change between two calls of one run."""

import json

import pytest

from avx.core.errors import UserError
from avx.runs import job, settings
from avx.runs import workdir as room
from avx.runs.settings import as_plain, config_hash, identity
from avx.runs.studies import overridden
from avx.runs.workdir import as_config, claim, differing_fields, load_config, read_json, record_data, write_json
from configs import quickstart

RECORD = {"ids": "1", "labels": "2", "classes": "3", "split": "4", "front_end": "5"}


def config_of(**fields):
    return overridden(quickstart.get_config().lock(), fields)


def begun(folder, config):
    claim(folder, config)
    (folder / room.METRICS).write_text("{}\n")
    return folder


def test_a_config_comes_back_as_it_was(tmp_path):
    config = config_of()
    claim(tmp_path / "run", config)
    found = load_config(tmp_path / "run")
    assert found == config and found.is_locked
    assert isinstance(found.evaluation.ks, tuple) and isinstance(found.evaluation.galleries[0], str)
    assert as_config(as_plain(config)) == config
    assert read_json(tmp_path / "run" / "environment.json")


def test_the_hash_knows_what_decides_numbers_and_nothing_else():
    config = config_of()
    assert config_hash(config) == config_hash(as_plain(config))
    plain = dict(reversed(list(as_plain(config).items())))
    assert config_hash(plain) == config_hash(config), "the order of the fields is none of its business"
    assert config_hash(config_of(**{"optimizer.learning_rate": 0.5})) != config_hash(config)
    operational = {"data.root": "x", "data.cache_dir": "y", "data.workers": 3, "evaluation.report_items": 1}
    operational |= {"evaluation.batch_size": 3, "train.loader_threads": 7, "features.video_weights": "z"}
    assert config_hash(config_of(**operational)) == config_hash(config)
    assert not set(operational) & set(identity(config)) and "seed" in identity(config)


def test_a_run_goes_on_with_its_own_config_alone(tmp_path):
    folder = begun(tmp_path / "run", config_of())
    claim(folder, config_of(**{"data.root": "moved", "evaluation.batch_size": 2}))
    changed = config_of(**{"optimizer.learning_rate": 0.5, "loss.label_weight": 3.0})
    assert differing_fields(config_of(), changed) == ["loss.label_weight", "optimizer.learning_rate"]
    before = (folder / room.CONFIG).read_bytes()
    with pytest.raises(
        UserError, match=r"another config \(it differs in loss\.label_weight, optimizer\.learning_rate\)"
    ):
        claim(folder, changed)
    assert (folder / room.CONFIG).read_bytes() == before


def test_a_folder_that_was_only_claimed_is_free(tmp_path):
    claim(tmp_path / "run", config_of())
    claim(tmp_path / "run", config_of(seed=1))
    assert load_config(tmp_path / "run").seed == 1


def test_files_of_something_else_are_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="is not empty and holds no run"):
        claim(tmp_path, config_of())
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".hidden").write_text("")
    claim(tmp_path / "new", config_of())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ids", "other items"),
        ("labels", "other labels"),
        ("classes", "other class names"),
        ("split", "another split"),
        ("front_end", "features of another front end"),
    ],
)
def test_other_data_are_refused_by_what_differs(tmp_path, name, words):
    folder = begun(tmp_path / "run", config_of())
    record_data(folder, RECORD)
    record_data(folder, RECORD)
    with pytest.raises(UserError, match=rf"begun on other data \(now {words}\)"):
        record_data(folder, RECORD | {name: "other"})
    assert read_json(folder / room.DATA) == RECORD


def test_what_is_no_workdir_is_named(tmp_path):
    with pytest.raises(UserError, match="is not the workdir of a run"):
        load_config(tmp_path)
    (tmp_path / room.CONFIG).write_text('{"name": ')
    with pytest.raises(UserError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / room.CONFIG).write_text("[1]")
    with pytest.raises(UserError, match="holds no JSON object"):
        load_config(tmp_path)
    write_json(tmp_path / "path.json", {"path": tmp_path})
    assert json.loads((tmp_path / "path.json").read_text()) == {"path": str(tmp_path)}


def deep(levels):
    return json.loads('{"a": ' * levels + "1" + "}" * levels)


@pytest.mark.parametrize(
    "changed",
    [{".ame": 1}, {"__class__": 1}, {"data": 5}, {"features": None}, {"evaluation": [1]}, {"data": deep(400)}],
    ids=lambda changed: " ".join(map(str, changed)),
)
def test_a_config_that_nobody_wrote_is_damaged(tmp_path, changed):
    """Keys that no config can have, groups that are none, and deeper ones than can be read; found by mutants."""
    plain = as_plain(config_of()) | changed
    folder = begun(tmp_path / "run", config_of())
    (folder / room.CONFIG).write_text(json.dumps(plain))
    (folder / "results").mkdir()
    (folder / "results" / "result.json").write_text("{}")
    try:
        assert not job.is_finished(config_of(), folder)
        settings.check(load_config(folder))
    except UserError as error:
        assert str(folder / room.CONFIG) in str(error) or "data" in changed
    else:
        pytest.fail("it is taken")


@pytest.mark.parametrize(
    ("group", "field", "named"),
    [
        ("train", "epochs", "epochs"),
        ("evaluation", "ks", "ks"),
        ("optimizer", "schedule", "schedule"),
        ("decode", "height", "height"),
    ],
)
def test_a_field_that_is_missing_or_unknown_is_named(group, field, named):
    """A config file of one's own may lack a field or spell it wrongly, which is told before any work."""
    plain = as_plain(config_of())
    value = plain[group].pop(field)
    with pytest.raises(UserError, match=rf"missing, misspelt or of another kind \(.*{named}"):
        settings.check(as_config(plain))
    plain[group] |= {field: value, "epohcs": 1}
    if group != "decode":
        with pytest.raises(UserError, match="epohcs"):
            settings.check(as_config(plain))
    with pytest.raises(UserError, match="of another kind"):
        settings.check(as_config(plain | {group: 3}))
