"""Words, lines and weighted counts of texts: values by hand, training items alone, and clear errors."""

import numpy as np
import pytest

from avx.core.errors import UserError
from avx.data.text import lines_of, text_of_xml, tf_idf, word_counts, words_of

ARTICLES = [
    ["the", "red", "red", "cell", "opera"],
    ["the", "red", "cell"],
    ["the", "leaf", "cell", "cell"],
    ["the", "leaf", "once", "once", "once", "once"],
    ["opera", "red", "red", "red", "unseen"],
]
FITTED = np.array([True, True, True, True, False])


def test_words_by_hand():
    """Of four fitted articles, "the" is in 4 and "cell" in 3 (over half), "opera" and "once" in 1: two words stay."""
    expected = np.zeros((5, 3))
    expected[:, 0], expected[:, 1] = [2, 1, 0, 0, 3], [0, 0, 1, 1, 0]  # red occurs 3 times, leaf twice
    np.testing.assert_array_equal(word_counts(ARTICLES, FITTED, 3), expected)
    np.testing.assert_array_equal(word_counts(ARTICLES, FITTED, 1), expected[:, :1])
    assert not np.array_equal(word_counts(ARTICLES, np.ones(5, bool), 3), expected), "a test article chose words"


def test_the_largest_share_is_of_the_fitted_articles_alone():
    """ "cell" is in 3 of 4 fitted articles, over half; it still is where 4 more articles stand beside them."""
    articles, fitted = [*ARTICLES, [], [], []], np.append(FITTED, [False] * 3)
    np.testing.assert_array_equal(word_counts(articles, fitted, 3)[:5], word_counts(ARTICLES, FITTED, 3))


def test_equal_frequencies_go_by_alphabet():
    articles = [["b", "a"], ["a", "b"], [], []]
    np.testing.assert_array_equal(word_counts([*articles, ["a"]], np.array([True] * 4 + [False]), 2)[4], [1, 0])


def test_only_text_elements_count(tmp_path):
    path = tmp_path / "one.xml"
    path.write_text(
        "<d><name>Title</name><text>Été, a 3rd R2-D2 of <p>the</p><p>&amp; Sea's</p></text>out<text>Two</text></d>"
    )
    assert words_of(path, "one") == ["été", "rd", "of", "the", "sea", "two"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'<!DOCTYPE d [<!ENTITY e "eee">]><d><text>&e;</text></d>', "declares the entity e"),
        (b"<d><text>cut", "not well-formed"),
        (b"<d>words</d>", "no <text> element"),
    ],
)
def test_bad_xml_is_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        text_of_xml(content)
    (tmp_path / "one.xml").write_bytes(content)
    with pytest.raises(UserError, match=rf"one\.xml of item art-7 cannot be read, .*{message}"):
        words_of(tmp_path / "one.xml", "art-7")


def test_a_missing_article_is_named(tmp_path):
    with pytest.raises(UserError, match=r"Item art-7 has no article .*unpack the published texts"):
        words_of(tmp_path / "none.xml", "art-7")


def test_lines_of_a_file_and_a_missing_file(tmp_path):
    (tmp_path / "some.list").write_text("one\n\n  \ntwo \n", encoding="utf-8")
    assert lines_of(tmp_path / "some.list", "pairs") == ["one", "two "]
    with pytest.raises(UserError, match=r"no file .*none\.list: give the folder of the published pairs"):
        lines_of(tmp_path / "none.list", "pairs")


TERMS = np.array([[2, 0, 1, 0], [1, 0, 3, 0], [0, 4, 1, 0], [5, 5, 5, 5]])
FITTED_ITEMS = np.array([True, True, True, False])


def test_weights_by_hand():
    """Three fitted items; the terms are held by 2, 1, 3 and 0 of them."""
    weight = 1 + np.log(4 / np.array([3, 2, 4, 1]))
    np.testing.assert_allclose(tf_idf(TERMS, FITTED_ITEMS), TERMS * weight, rtol=1e-6)


def test_an_item_that_is_not_fitted_changes_no_weight():
    other = TERMS.copy()
    other[3] = [1, 0, 0, 0]
    np.testing.assert_array_equal(tf_idf(other, FITTED_ITEMS)[:3], tf_idf(TERMS, FITTED_ITEMS)[:3])
    assert not np.allclose(tf_idf(TERMS, np.ones(4, bool))[:3], tf_idf(TERMS, FITTED_ITEMS)[:3])


@pytest.mark.peers
def test_equals_sklearn():
    text = pytest.importorskip("sklearn.feature_extraction.text")
    peer = text.TfidfTransformer(norm=None).fit(TERMS[FITTED_ITEMS])
    np.testing.assert_allclose(tf_idf(TERMS, FITTED_ITEMS), peer.transform(TERMS).toarray(), rtol=1e-6)


def test_negative_counts_are_refused():
    with pytest.raises(UserError, match="must be at least 0"):
        tf_idf(-TERMS, FITTED_ITEMS)
