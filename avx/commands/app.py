"""How every command starts and how it fails: one clear sentence, and exit status 2."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from absl import app, flags, logging

from avx.core import disk
from avx.core.errors import UserError, one_line

HELP = ("-h", "-help", "--help")
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"
"""How JAX's RuntimeError says that a device has no memory left."""


class Command(Protocol):
    """A module of `avx.commands` that `avx NAME` runs; its docstring is its help."""

    __name__: str
    __doc__: str | None

    def define_flags(self) -> None:
        """Registers the flags of the command with absl."""

    def main(self, argv: Sequence[str]) -> None:
        """Does the work; `argv` holds the name of the program and what is left beside the flags."""


def run(command: Command) -> None:
    """Parses `sys.argv` and runs the command; bad input ends in one sentence on stderr instead of a trace."""
    try:
        with _flag_errors(sys.argv):
            command.define_flags()  # May read the config of a run, and then looks for its fields among the arguments.
    except (UserError, OSError) as error:
        fail(_told(error))
    if any(argument in HELP for argument in sys.argv[1:]):
        print(help_text(command))
        return
    enable_compilation_cache()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # Names of files may hold bytes that are no text.
    import jax

    jax.config.config_with_absl()
    app.run(_guarded(command.main), flags_parser=_parse)


def help_text(command: Command) -> str:
    """The docstring of a command, then its flags with their defaults; `define_flags` has run."""
    lines = [(command.__doc__ or "").strip(), "", "Flags:"]
    for flag in flags.FLAGS.get_flags_for_module(command.__name__):
        default = "required" if flag.default is None else f"default {flag.default!r}"
        lines.append(textwrap.fill(f"--{flag.name}: {flag.help} ({default})", 100, subsequent_indent="    "))
    return "\n".join(lines)


def enable_compilation_cache() -> None:
    """Keeps compiled programs between processes, in JAX_COMPILATION_CACHE_DIR or ./.cache/jax."""
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(".cache/jax").absolute()))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def fail(message: str) -> NoReturn:
    """Ends the program with one sentence on stderr and exit status 2; what does not print in it is escaped."""
    print(f"error: {one_line(message)}", file=sys.stderr)
    raise SystemExit(2)


def _parse(argv: Sequence[str]) -> Sequence[str]:
    """Flag parsing in which a missing config file, and a misspelt or mistyped field, end in one sentence."""
    try:
        with _flag_errors(argv):
            rest = flags.FLAGS(argv)
            if "config" in flags.FLAGS:
                hasattr(
                    flags.FLAGS["config"].value, "to_dict"
                )  # A file that could not be read shows itself at first use.
            return rest
    except OSError:
        fail(f"the config file {_config_path(argv)} cannot be read; give --config=configs/NAME.py.")


@contextlib.contextmanager
def _flag_errors(argv: Sequence[str]) -> Iterator[None]:
    """Ends the program with one sentence where a flag, or a field of the config, is misspelt or mistyped."""
    try:
        yield
    except flags.Error as error:
        missing = re.match(r"flag --(\w+)=None", str(error))
        fail(f"--{missing[1]} is required; give --{missing[1]}=VALUE." if missing else " ".join(str(error).split()))
    except (AttributeError, KeyError) as error:
        fail(_unknown_field(argv, str(error)))
    except (TypeError, ValueError, IndexError) as error:
        fail(f"a --config override cannot be applied: {str(error).splitlines()[0]}")


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
        signal.signal(signal.SIGTERM, _terminated)
        try:
            main(argv)
            sys.stdout.flush()
        except BrokenPipeError as error:
            # What is still to be flushed at exit goes nowhere, instead of failing once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            fail(_told(error))
        except (UserError, OSError, MemoryError) as error:
            fail(_told(error))
        except KeyboardInterrupt:
            _stopped(signal.SIGINT)
        except RuntimeError as error:
            if OUT_OF_MEMORY not in str(error):
                raise
            fail(_told(MemoryError()))

    return guarded


def _told(error: UserError | OSError | MemoryError) -> str:
    """What went wrong and what to do about it, as one sentence."""
    if isinstance(error, OSError):
        return f"{disk.sentence(error)}; what was saved before is intact."
    if isinstance(error, MemoryError):
        return (
            "memory ran out; lower train.batch_size, evaluation.batch_size or data.workers, or use a larger machine: "
            "what was saved before is intact."
        )
    return str(error)


def _terminated(number: int, frame: object) -> NoReturn:
    _stopped(number)


def _stopped(number: int) -> NoReturn:
    """Ends the program on a signal that came while nothing but the loop of training would have noticed it."""
    print("stopped; what was saved before is intact, and the same command goes on from there", file=sys.stderr)
    raise SystemExit(128 + number)
