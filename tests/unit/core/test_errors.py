"""The one exception that people read: a line, whatever the file at fault put into it."""

import pickle

import pytest

from avx.core.errors import UserError

QUOTED = [
    ("plain, häuser, 💩, e\u0301", "plain, häuser, 💩, e\u0301"),
    ("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab"),
    ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
    ("fdp.\u202eexe", "fdp.\\u202eexe"),
    ("caf\udce9.mp4", "caf\\udce9.mp4"),
    ("null\0", "null\\x00"),
]


@pytest.mark.parametrize(("quoted", "shown"), QUOTED)
def test_a_message_is_one_printable_line(quoted, shown):
    error = UserError(f"{quoted} is no clip.")
    assert str(error) == f"{shown} is no clip." and str(error).isprintable()
    assert str(pickle.loads(pickle.dumps(error))) == str(error), "it comes back from a worker as it was"


def test_what_is_escaped_once_stays():
    assert str(UserError(str(UserError("a\nb\\n")))) == "a\\nb\\n"
