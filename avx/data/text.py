"""Texts of data sets: lines and words of files, and weighted counts of the words that the training texts share."""

from __future__ import annotations

import collections
import re
from collections.abc import Sequence
from pathlib import Path
from xml.parsers import expat

import numpy as np

from avx.core.errors import UserError

WORDS, WORDS_SIZE = "text_words", 1000
LEAST_ARTICLES = 2
LARGEST_SHARE = 0.5
_WORD = re.compile(r"[^\W\d_]{2,}")


def lines_of(path: Path, data_set: str) -> list[str]:
    """The lines of a UTF-8 file that are not blank.

    Args:
      path: the file.
      data_set: what its folder should hold, for the message.

    Raises:
      UserError: no such file.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}: give the folder of the published {data_set}.")
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def text_of_xml(content: bytes) -> str:
    """The characters inside the <text> elements of an XML file, child elements and neighbours set apart by blanks.

    Declarations of entities are refused, so that a small file cannot grow, and nothing outside the file is opened.

    Raises:
      ValueError: no well-formed XML, a declaration of an entity, or no <text> element.
    """
    parser = expat.ParserCreate()
    parts: list[str] = []
    # How many <text> elements are open, and how many there were.
    depth = found = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, found
        depth += name == "text"
        found += name == "text"
        parts.append(" ")

    def end(name: str) -> None:
        nonlocal depth
        depth -= name == "text"
        parts.append(" ")

    def characters(data: str) -> None:
        if depth:
            parts.append(data)

    def entity(name: str, *declaration: object) -> None:
        raise ValueError(f"it declares the entity {name}")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = characters, entity
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(f"it is not well-formed: {error}") from error
    if not found:
        raise ValueError("it has no <text> element")
    return "".join(parts)


def words_in(text: str) -> list[str]:
    """The words of a text in order: runs of two letters or more of any script, in lower case."""
    return _WORD.findall(text.lower())


def words_of(path: Path, item_id: str) -> list[str]:
    """The words of an article in order, as `words_in`.

    Args:
      path: XML file.
      item_id: for the message.

    Raises:
      UserError: no such file, or what `text_of_xml` refuses; it names the item.
    """
    if not path.is_file():
        raise UserError(f"Item {item_id} has no article {path}: unpack the published texts again or unlist the item.")
    try:
        return words_in(text_of_xml(path.read_bytes()))
    except ValueError as error:
        raise UserError(f"The article {path} of item {item_id} cannot be read, {error}: fetch it again.") from error


def word_counts(articles: Sequence[Sequence[str]], fitted: np.ndarray, size: int) -> np.ndarray:
    """How often every article holds the most frequent words of the fitted ones.

    Words are kept that at least 2 and at most half of the fitted articles hold: names that occur once say nothing of
    other articles, and words like "the" nothing of any (in place of a list of stop words, which would be of one
    language). Of these the `size` that occur most often are columns, by frequency and then by alphabet.

    Args:
      articles: the words of n items.
      fitted: (n,) bool, the articles that choose the words: the training items, never those of a test.
      size: D; where fewer words are kept the last columns are zero.

    Returns:
      (n, D) float32.
    """
    assert np.shape(fitted) == (len(articles),), "every article is fitted or not"
    occurrences: collections.Counter[str] = collections.Counter()
    holding: collections.Counter[str] = collections.Counter()
    for place in np.flatnonzero(fitted).tolist():
        occurrences.update(articles[place])
        holding.update(set(articles[place]))
    most = LARGEST_SHARE * np.sum(fitted)
    kept = [word for word, count in holding.items() if LEAST_ARTICLES <= count <= most]
    chosen = sorted(kept, key=lambda word: (-occurrences[word], word))[:size]
    column = {word: place for place, word in enumerate(chosen)}
    counts = np.zeros((len(articles), size), np.float32)
    for row, words in enumerate(articles):
        for word, count in collections.Counter(words).items():
            if word in column:
                counts[row, column[word]] = count
    return counts


def tf_idf(counts: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """counts * (1 + ln((1 + N) / (1 + d))) for the N fitted items, d of which hold the term (Salton & Buckley 1988).

    Both ones in the ratio stand for one more item that holds every term, so that terms which no fitted item holds keep
    a finite weight; the one before it keeps terms that all items hold.

    Args:
      counts: (n, D) at least 0.
      fitted: (n,) bool, the items whose counts set the weights: the training items, never those of a test.

    Returns:
      (n, D) float32.

    Raises:
      UserError: negative counts.
    """
    counts = np.asarray(counts, np.float32)
    if (counts < 0).any():
        raise UserError("Term counts must be at least 0: pass counts or presence, not standardised features.")
    holding = (counts[fitted] > 0).sum(0)
    weight = 1 + np.log((1 + fitted.sum()) / (1 + holding))
    return counts * weight.astype(np.float32)
