"""Sentences spoken by the program espeak-ng, in a voice, speed and pitch that a seed chooses for each clip.

The same sentence, manner and version of the program give the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from avx.core.errors import UserError

PROGRAM = "espeak-ng"
# "en" is British English; under its name "en-gb" the program (1.51) ignores the timbre.
ACCENTS = ("en", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029")
TIMBRES = ("m1", "m2", "m3", "m4", "m5", "m7", "f1", "f2", "f3", "f4", "f5")
WORDS_PER_MINUTE = (130, 190)
PITCH = (25, 75)
_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Manner:
    """How a sentence is spoken.

    Attributes:
      voice: accent and timbre as the program names them, e.g. "en-us+f2".
      words_per_minute: speed.
      pitch: 0 (deep) to 99 (high).
    """

    voice: str
    words_per_minute: int
    pitch: int


def manner_of(name: str, seed: int) -> Manner:
    """The manner of a clip: a function of its name and the seed alone, each part drawn evenly."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    accent, timbre, speed, pitch = (int.from_bytes(digest[start : start + 4], "big") for start in range(0, 16, 4))
    return Manner(
        voice=f"{ACCENTS[accent % len(ACCENTS)]}+{TIMBRES[timbre % len(TIMBRES)]}",
        words_per_minute=_within(WORDS_PER_MINUTE, speed),
        pitch=_within(PITCH, pitch),
    )


def speak(sentence: str, manner: Manner) -> bytes:
    """The sentence as a whole wav file: 16-bit mono, at the program's rate (22,050 Hz).

    Raises:
      UserError: the program is not installed or fails, or there is nothing to say.
    """
    if not sentence.strip():
        raise UserError("There is nothing to say: give every clip a caption, or retrieve the sound track instead.")
    # The sentence goes through a pipe: as an argument, one that starts with a dash would be read as an option. A
    # wav on standard output would not state its length, hence the file.
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "speech.wav"
        how = ["-v", manner.voice, "-s", str(manner.words_per_minute), "-p", str(manner.pitch), "-b", "1"]
        _run([*how, "--stdin", "-w", str(target)], sentence)
        if not target.is_file():
            raise UserError(f"{PROGRAM} wrote no sound for {sentence!r} in the voice {manner.voice}; reinstall it.")
        return target.read_bytes()


def version() -> str:
    """The program's version, without the place of its data.

    Raises:
      UserError: the program is not installed.
    """
    return _run(["--version"]).partition("Data at")[0].strip()


def _within(bounds: tuple[int, int], draw: int) -> int:
    low, high = bounds
    return low + draw % (high - low + 1)


def _run(arguments: list[str], text: str = "") -> str:
    program = shutil.which(PROGRAM)
    if program is None:
        raise UserError(
            f"Spoken descriptions need the program {PROGRAM}, which is not installed: install it (apt-get install "
            f"{PROGRAM}), or retrieve the sound track instead."
        )
    try:
        done = subprocess.run(
            [program, *arguments], input=text, capture_output=True, encoding="utf-8", timeout=_SECONDS, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{PROGRAM} did not finish {text!r} within {_SECONDS} s; shorten the sentence.") from error
    except subprocess.CalledProcessError as error:
        raise UserError(f"{PROGRAM} failed on {text!r}: {error.stderr.strip()}; reinstall it.") from error
    return done.stdout
