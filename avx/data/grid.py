"""The GRID corpus (Cooke et al., JASA 2006): talking faces that say sentences of six words, which files are named by.

A name such as bbaf2n gives command, colour, preposition, letter, digit and adverb: "bin blue at f two now". Files may
lie at any depth (the corpus has a folder for each talker, s1 to s34).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avx.core.errors import UserError
from avx.data.records import Clips, Record
from avx.data.scan import scan

_LETTERS = "abcdefghijklmnopqrstuvxyz"  # Without w, whose name has more than one syllable.
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS: dict[str, dict[str, str]] = {
    "command": {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    "colour": {"b": "blue", "g": "green", "r": "red", "w": "white"},
    "preposition": {"a": "at", "b": "by", "i": "in", "w": "with"},
    "letter": {letter: letter for letter in _LETTERS},
    "digit": {"z" if word == "zero" else str(value): word for value, word in enumerate(_DIGITS)},
    "adverb": {"a": "again", "n": "now", "p": "please", "s": "soon"},
}
"""Place in the sentence -> its sign in a file name -> the word; the order of the places is that of the sentence."""
SENTENCE = "sentence"


def words_of(code: str) -> dict[str, str]:
    """The six words of a sentence code by their place, e.g. "bbaf2n" -> command "bin", ..., adverb "now".

    Raises:
      UserError: the code is not six signs of the grammar; the message names the first wrong one.
    """
    if len(code) != len(WORDS):
        raise UserError(f"{code!r} is no GRID sentence code: it needs {len(WORDS)} signs, as in bbaf2n.")
    words = {}
    for sign, (place, known) in zip(code.lower(), WORDS.items(), strict=True):
        if sign not in known:
            raise UserError(f"{code!r} is no GRID sentence code: {sign!r} is no {place} ({', '.join(known)}).")
        words[place] = known[sign]
    return words


def grid_clips(root: Path, classes: str = "command") -> Clips:
    """Lists every video below `root`: its own sound track, the spoken sentence as caption, a class.

    The same sentence may be said by several talkers; a clip's id is its path, which tells them apart.

    Args:
      root: folder of the corpus; hidden files and folders apart, all its videos must bear sentence codes.
      classes: a place of `WORDS`, for its words as classes, all of them whether they occur or not; or "sentence",
        where each sentence that occurs is a class.

    Returns:
      Clips in order of path; labels index into `class_names`.

    Raises:
      UserError: no folder, no video in it, an unknown `classes`, or a file name that is no code.
    """
    if classes != SENTENCE and classes not in WORDS:
        raise UserError(f"GRID classes {classes!r} are unknown; choose {', '.join(WORDS)} or {SENTENCE}.")
    found = scan(root)
    files = found.videos
    if not files:
        raise UserError(f"{root} holds no video: give the folder of the GRID videos.")
    said = [words_of(file.stem) for file in files]
    sentences = [" ".join(words.values()) for words in said]
    if classes == SENTENCE:
        class_names = tuple(sorted(set(sentences)))
        labels = [class_names.index(sentence) for sentence in sentences]
    else:
        class_names = tuple(WORDS[classes].values())
        labels = [class_names.index(words[classes]) for words in said]
    blank = ("",) * len(files)
    names = tuple(file.as_posix() for file in files)
    return Clips(
        name="grid",
        class_names=class_names,
        ids=names,
        labels=np.array(labels, np.int64),
        captions=tuple(sentences),
        splits=blank,
        groups=blank,
        shot_boundaries=((),) * len(files),
        files=names,
        spoken=np.zeros(len(files), bool),
        record=lambda row: Record(root / files[row]),
        problems=found.problems,
        passed_over=found.coverage(),
    )
