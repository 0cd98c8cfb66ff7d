"""Flags of a command: its help, and what is said about flags that are missing or unknown."""

import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest
from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx.commands import app

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """A command with a config, a required flag, and one with a default, that says what it got."""
    folder = tmp_path_factory.mktemp("command")
    (folder / "toy.py").write_text(
        textwrap.dedent('''
        """Does toy work.

            avx toy --out=DIR

        Says what it got.
        """
        from absl import flags
        from ml_collections.config_flags import config_flags
        from avx.core.errors import UserError

        def define_flags():
            config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
            flags.DEFINE_string("out", None, "Folder.", required=True)
            flags.DEFINE_integer("k", 10, "How many.")

        def main(argv):
            if flags.FLAGS.k == 13:
                raise UserError("--k=13 cannot be; give another number.")
            print(argv[1:], flags.FLAGS.out, flags.FLAGS.k, flags.FLAGS.config.size)
        ''')
    )
    (folder / "small.py").write_text(
        "from ml_collections import ConfigDict\ndef get_config():\n    return ConfigDict({'size': 3})\n"
    )

    def run(*arguments):
        code = "import toy; from avx.commands import app; app.run(toy)"
        environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
        line = [sys.executable, "-c", code, *arguments]
        return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)

    return run


def test_flags_and_arguments_arrive(command):
    done = command("a", "--out=there", "--config=small.py", "--config.size=5", "b")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['a', 'b'] there 10 5\n"


def test_help_is_the_docstring_and_the_flags(command):
    done = command("--help")
    assert done.returncode == 0
    assert done.stdout == (
        "Does toy work.\n\n    avx toy --out=DIR\n\nSays what it got.\n\n"
        "Flags:\n--config: Path of the config file. (required)\n--out: Folder. (required)\n"
        "--k: How many. (default 10)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "error: --out is required; give --out=VALUE.\n"),
        (("--out=x", "--outt=y"), "error: Unknown command line flag 'outt'. Did you mean: out ?\n"),
        (
            ("--out=x", "--config=absent.py"),
            "error: the config file absent.py cannot be read; give --config=configs/NAME.py.\n",
        ),
        (
            ("--out=x", "--config=small.py", "--config.sise=1"),
            "error: the config has no field sise; did you mean size?\n",
        ),
        (("--out=x", "--config=small.py", "--k=13"), "error: --k=13 cannot be; give another number.\n"),
    ],
)
def test_bad_input_ends_in_one_sentence(command, arguments, sentence):
    done = command(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("--config.nmae=1", "error: the config has no field nmae; did you mean name?"),
        ("--config.name[0]=x", "error: a --config override cannot be applied: "),
        ("--config.na\nme=x", "error: a --config override cannot be applied: "),
        ("--config.size=\x1b[31m", "error: "),
        ("--config.size=__import__('os')", "error: "),
    ],
)
def test_fields_of_a_runs_config_that_do_not_fit_end_in_one_line(monkeypatch, capsys, typed, sentence):
    """`avx evaluate` defines the fields of a run's config, and sees those that are typed before it parses anything."""
    values = flags.FlagValues()
    monkeypatch.setattr(app.flags, "FLAGS", values)
    monkeypatch.setattr("sys.argv", ["avx toy", typed])

    def define_flags():
        config = ConfigDict({"name": "run", "size": 3})
        config_flags.DEFINE_config_dict("config", config, flag_values=values)
        app._parse(sys.argv)

    command = types.SimpleNamespace(__name__="toy", __doc__="Does toy work.", define_flags=define_flags)
    with pytest.raises(SystemExit) as ended:
        app.run(command)
    line = capsys.readouterr().err.removesuffix("\n")
    assert ended.value.code == 2 and line.startswith(sentence) and line.isprintable()
