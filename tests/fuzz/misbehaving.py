"""A target of the harness whose cases do, in turn, everything that the harness is to notice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from avx.core.errors import UserError

OUTCOMES = ("read", "refused", "foreign exception", "broken invariant", "signal", "hang", "memory", "read")


def prepare(folder: Path) -> None:
    (folder / "whole").write_bytes(b"whole")


def make(folder: Path, seed: int, number: int) -> Path:
    path = folder / "mutant"
    path.write_text(OUTCOMES[(seed + number) % len(OUTCOMES)])
    return path


def check(path: Path) -> str:
    asked = path.read_text()
    if asked == "refused":
        raise UserError("It is refused.")
    if asked == "foreign exception":
        raise ZeroDivisionError("nothing is divided")
    if asked == "signal":
        os.kill(os.getpid(), signal.SIGSEGV)
    if asked == "memory":
        bytearray(1 << 30)
    while asked == "hang":
        pass
    assert asked != "broken invariant", "the times do not increase"
    print("what a library prints is no answer")
    return asked
