"""Mutants of the config that a run has written, and of overrides as people type them, for `fuzz.harness`.

A mutant is taken, or refused by a UserError, or by a command with one line. Beyond that: what is taken holds no number
that is not finite, has a hash, and comes back from JSON as it was.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import json
import math
import random
import shutil
import sys
from pathlib import Path
from typing import Any

from absl import flags
from fuzz.mutators import RAW
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx.commands import app
from avx.core.errors import UserError
from avx.reports.files import RESULT
from avx.runs import job, settings
from avx.runs.workdir import CONFIG, as_config, differing_fields, load_config

STUDIES = ("quickstart", "feature_memory", "semantic_hashing", "ssah", "folder")
VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 0.5, -0.0, 1e-300, 1e300, math.inf, -math.inf, math.nan, 2**31, 2**63, 2**70),
    *(10**400, "", "x", "nan", "a" * 3000, "a\nb", "\0", "\x1b[31m", "\ud800", "../..", "train", "class/map", [], [[]]),
    *([0], [-1, 1], ["x"], [1, [2, [3]]], [None], [math.nan], {}, {"a": 1}, {"a": {"b": []}}, {".a": 1}, {"": 0}),
)
KEYS = (
    *(".ame", "a.b", "", " ", "\0", "nmae", "seeed", "__class__", "to_dict", "lock", "_fields", "items", "é"),
    *("x" * 3000, "a\nb"),
)
TYPED = (
    *("", "1", "-1", "0", "0.5", "nan", "inf", "1e999", "True", "None", "()", "(1,)", "(1,2,3)", "[1", "{}", "x", "é"),
    *("'x'", '"', "../..", "9" * 400, "1" * 5000, "lambda: 0", "__import__('os')", "\n", "\0", "\x1b[31m", "{'a': 1}"),
)


def config_of(name: str) -> ConfigDict:
    """The locked config of a study."""
    return importlib.import_module(f"configs.{name}").get_config().lock()


def prepare(folder: Path) -> None:
    """Writes the config of each study as a run does, and takes it."""
    for name in STUDIES:
        workdir = folder / name
        workdir.mkdir()
        (workdir / CONFIG).write_text(json.dumps(settings.as_plain(config_of(name)), indent=2))
        check(workdir)
        taken(as_typed(config_of(name), ["--config.seed=7"]))


def make(folder: Path, seed: int, number: int) -> Path:
    """Writes the mutant of a number: a workdir, or a file of what is typed."""
    chance = random.Random(f"run_configs {seed} {number}")
    name, target = chance.choice(STUDIES), folder / "mutant"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    (target / "study").write_text(name)
    stored = (folder / name / CONFIG).read_bytes()
    kind = chance.random()
    if kind < 0.3:
        fields = [field for field, _ in settings.flattened(json.loads(stored))]
        given = [_typed(chance.choice(fields), chance) for _ in range(chance.choice((1, 1, 2, 4)))]
        (target / "typed.json").write_text(json.dumps(given))
        return target
    corpus = [folder / other / CONFIG for other in STUDIES]
    for _ in range(chance.choice((1, 1, 2, 4))):
        if kind < 0.35:
            stored = nested(stored, chance)
        elif kind < 0.6:
            stored = chance.choice(RAW)(stored, corpus, chance) if stored else stored
        else:
            stored = json.dumps(_changed(json.loads(stored), chance)).encode()
    (target / CONFIG).write_bytes(stored)
    (target / RESULT).parent.mkdir()
    (target / RESULT).write_text("{}")
    return target


def _typed(field: str, chance: random.Random) -> str:
    """An argument of a command."""
    if chance.random() < 0.3:
        place = chance.randrange(len(field) + 1)
        field = field[:place] + chance.choice(("", ".", "x", "[0]", " ", "=", "é", "\n")) + field[place + 1 :]
    return f"--config.{field}{chance.choice(('=', '=', '=', ''))}{chance.choice(TYPED)}"


def nested(content: bytes, chance: random.Random) -> bytes:
    """The first value of a line lies in as many lists or objects as a reader may not be ready for."""
    lines = content.split(b"\n")
    place, depth = chance.randrange(len(lines)), chance.choice((1, 20, 150, 300, 900, 5000, 100_000))
    opened, closed = chance.choice(((b"[", b"]"), (b'{"a": ', b"}")))
    head, colon, value = lines[place].partition(b": ")
    if colon and value[:1] not in (b"{", b"["):
        lines[place] = (
            head + colon + opened * depth + value.rstrip(b",") + closed * depth + value[len(value.rstrip(b",")) :]
        )
    return b"\n".join(lines)


def _changed(config: Any, chance: random.Random) -> Any:
    """One field is set, renamed, added, moved or missing."""
    config = copy.deepcopy(config)
    groups = [config, *(value for value in config.values() if isinstance(value, dict))]
    group = chance.choice([one for one in groups if one] or [config])
    name = chance.choice(sorted(group) or ["x"])
    way = chance.randrange(6)
    if way <= 1:
        group[name] = chance.choice(VALUES)
    elif way == 2:
        group[chance.choice(KEYS)] = group.pop(name, None)
    elif way == 3:
        group[chance.choice(KEYS)] = chance.choice(VALUES)
    elif way == 4:
        group.pop(name, None)
    else:
        other = chance.choice(groups)
        other[name] = copy.deepcopy(group.get(name))
    return config


def check(path: Path) -> str:
    """Takes a mutant; an AssertionError tells of an invariant that is broken."""
    typed = path / "typed.json"
    if typed.exists():
        return taken(as_typed(config_of((path / "study").read_text()), json.loads(typed.read_text())))
    if (path / "study").exists():
        asked = config_of((path / "study").read_text())
        with contextlib.suppress(UserError):
            assert not job.is_finished(asked, path), "a run without a result is finished"
    config = load_config(path)
    differing_fields(config, config_of("quickstart"))
    return taken(config)


def taken(config: ConfigDict) -> str:
    """Checks a config as a run does before any work."""
    settings.check(config)
    for field, value in settings.flattened(config):
        assert all(map(math.isfinite, _numbers(value))), f"{field} = {value} is taken"
    assert as_config(settings.as_plain(config)) == config, "it does not come back as it was"
    assert settings.config_hash(config) == settings.config_hash(settings.as_plain(config))
    return "taken"


def _numbers(value: Any) -> list[float]:
    if isinstance(value, tuple | list):
        return [number for one in value for number in _numbers(one)]
    return [value] if isinstance(value, float) else []


def as_typed(config: ConfigDict, arguments: list[str]) -> ConfigDict:
    """The config after the overrides of a command line, which `avx.commands.app` reads.

    Raises:
      UserError: the command ends with its exit status and this line.
    """
    values, told = flags.FlagValues(), io.StringIO()
    argv = ["avx train", *arguments]
    usual = app.flags.FLAGS, sys.argv
    app.flags.FLAGS, sys.argv = values, argv  # Fields are looked for in sys.argv, too.
    try:
        with contextlib.redirect_stderr(told):
            with app._flag_errors(argv):
                config_flags.DEFINE_config_dict(
                    "config", ConfigDict(config.to_dict()), flag_values=values, lock_config=True
                )
            app._parse(argv)
    except SystemExit as ended:
        line = told.getvalue().removesuffix("\n")
        assert ended.code == 2 and line.startswith("error: ") and line.isprintable(), f"the command says {line!r}"
        raise UserError(line) from None
    finally:
        app.flags.FLAGS, sys.argv = usual
    return values.config
