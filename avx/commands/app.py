"""How every command starts and how it fails: one clear sentence, and exit status 2."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from absl import app, flags, logging

from avx.core.errors import UserError
from avx.reports.errors import ReportError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Parses flags and runs `main`; bad input ends in one sentence on stderr instead of a trace."""
    enable_compilation_cache()
    import jax

    jax.config.config_with_absl()
    app.run(_guarded(main), flags_parser=_parse)


def enable_compilation_cache() -> None:
    """Keeps compiled programs between processes, in JAX_COMPILATION_CACHE_DIR or ./.cache/jax."""
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(".cache/jax").absolute()))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


def _parse(argv: Sequence[str]) -> Sequence[str]:
    """Flag parsing in which a missing config file, and a misspelt or mistyped field, end in one sentence."""
    try:
        rest = flags.FLAGS(argv)
        if "config" in flags.FLAGS:
            hasattr(flags.FLAGS["config"].value, "to_dict")  # a file that could not be read shows itself at first use
        return rest
    except flags.Error as error:
        _fail(" ".join(str(error).split()))
    except (AttributeError, KeyError) as error:
        _fail(_unknown_field(argv, str(error)))
    except (TypeError, ValueError) as error:
        _fail(f"a --config override cannot be applied: {str(error).splitlines()[0]}")
    except OSError:
        _fail(f"the config file {_config_path(argv)} cannot be read; give --config=configs/NAME.py.")


def _config_path(argv: Sequence[str]) -> str:
    """The value of --config, in either of its two spellings."""
    found = re.search(r"--?config[= ](\S+)", " ".join(argv))
    return found.group(1) if found else "of --config"


def _unknown_field(argv: Sequence[str], text: str) -> str:
    """The sentence for a field that the config does not have; `text` opens with its last name."""
    found = re.search(r"\w+", text)
    name = found.group() if found else text
    given = [match.group(1) for match in map(re.compile(r"--?config\.([\w.]+)").match, argv) if match]
    field = next((field for field in given if name in field.split(".")), name)
    hint = re.search(r'Did you mean "(\w+)"', text)
    remedy = f"did you mean {field.replace(name, hint.group(1))}?" if hint else "its fields stand in the config file."
    return f"the config has no field {field}; {remedy}"


def _guarded(main: Callable[[Sequence[str]], None]) -> Callable[[Sequence[str]], None]:
    def guarded(argv: Sequence[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.ERROR)  # libraries keep quiet unless --verbosity asks
        try:
            main(argv)
        except (UserError, ReportError) as error:
            _fail(str(error))
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            _fail(
                f"the disk is full while writing {error.filename or 'a file'}; free some space and run again: "
                "the last checkpoint is intact."
            )

    return guarded
