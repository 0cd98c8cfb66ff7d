"""The tool of docs/mutation.md: its mutants by hand, and which stay the same, are drawn, and are looked up again."""

from pathlib import Path

import pytest

from tests.mutation.__main__ import JUDGED, drawn, report
from tests.mutation.operators import Mutant, mutants_of
from tests.mutation.reach import reaching_tests
from tests.mutation.records import Records, judged
from tests.mutation.trial import Outcome

ROOT = Path(__file__).parents[3]
MODULE = "avx/classic/toy.py"


def lines_after(source):
    """The mutated lines of a source, each without its indentation."""
    return [mutant.diff(source).split("\n+")[1].strip() for mutant in mutants_of(MODULE, source)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a < b", ["a <= b", "a > b"]),
        ("a == b", ["a != b"]),
        ("a is not b", ["a is b"]),
        ("a + b", ["a - b"]),
        ("(a) // (b)", ["(a) / (b)"]),
        ("a = -b", ["a = b"]),
        ("a += b", ["a -= b"]),
        ("a and b or c", ["a or b or c", "a and b and c"]),
        ("not a", ["a"]),
        ("a[2]", ["a[3]", "a[1]"]),
        ("a = 0.25", ["a = 0.5"]),
        ("a = 1e-12", ["a = 0.0"]),
        ("a = True", ["a = False"]),
        ("a.min()", ["a.max()"]),
        ("jnp.argmax(a)", ["jnp.argmin(a)"]),
        ("np.sqrt(a)", ["(a)"]),
        ("jnp.where(a, b, c)", ["(b)", "(c)"]),
        ("f(a, axis=1)", ["f(a)", "f(a, axis=0)"]),
        ("f(a, axis=-1)", ["f(a)", "f(a, axis=0)"]),
        ("f(b=c, a=d)", ["f(a=d)", "f(b=c)"]),
        ("f(b=c)", ["f()"]),
    ],
)
def test_mutants_by_hand(line, expected):
    assert sorted(lines_after(f"def g():\n    {line}\n")) == sorted(expected)


def test_what_no_test_needs_to_notice_is_left_alone():
    source = '''"""Text with 1 < 2."""
import a
from b import c
kind = int | None
@d(1)
def f(x: e[1]) -> g[2]:
    """More text, 1 + 1."""
    assert x < 1, "less"
    chex.assert_rank(x, 2)
    raise ValueError(f"{x + 1} " + "and")
    zip(x, strict=True)
    State(x=x)
    y: h[3]
'''
    assert lines_after(source) == []


def test_an_operator_is_found_behind_a_comment_and_after_letters_of_two_bytes():
    source = "def f(é):\n    return (\n        é  # + one\n        + 'ß'.count(é)\n    )\n"
    assert [(mutant.line, mutant.diff(source)) for mutant in mutants_of(MODULE, source)] == [
        (4, "-        + 'ß'.count(é)\n+        - 'ß'.count(é)")
    ]


def test_a_mutant_keeps_its_name_where_lines_move_and_equal_lines_are_told_apart():
    source = "def f(a):\n    a = a + b\n    a = a + b\n"
    names = [mutant.identity for mutant in mutants_of(MODULE, source)]
    assert len(set(names)) == len(names) == 2
    assert [mutant.identity for mutant in mutants_of(MODULE, "import c\n\n\n" + source)] == names


def test_the_draw_follows_the_seed_and_a_change_elsewhere_moves_nothing():
    here = mutants_of(MODULE, "\n".join(f"x{i} = y < z + {i}" for i in range(40)))
    there = mutants_of("avx/classic/other.py", "\n".join(f"x{i} = y > z - {i}" for i in range(40)))
    chosen = drawn(here + there, 60, seed=0)
    assert len(chosen) == 60
    assert chosen == sorted(chosen, key=(here + there).index) == drawn(here + there, 60, seed=0)
    assert chosen != drawn(here + there, 60, seed=1)
    fewer = drawn(here + there[:100], 60, seed=0)
    assert {mutant for mutant in chosen if mutant.module == MODULE} <= set(fewer)


def test_the_tests_of_a_module_are_its_namesake_and_those_of_its_room_that_import_it():
    tests = reaching_tests(ROOT, "avx/losses/pairs.py")
    assert tests[0] == "tests/unit/losses/test_pairs.py"
    assert "tests/unit/losses/test_triplet.py" in tests and "tests/unit/losses/test_classification.py" in tests
    assert all(test.startswith("tests/unit/losses/") for test in tests)
    everywhere = reaching_tests(ROOT, "avx/losses/pairs.py", everywhere=True)
    assert everywhere[: len(tests)] == tests and len(everywhere) > len(tests)


def test_an_outcome_holds_until_what_it_rests_on_changes(tmp_path):
    source = "a = b < 1\n"
    mutant, other = mutants_of(MODULE, source)[:2]
    first, second = "tests/unit/test_first.py", "tests/unit/test_second.py"
    (tmp_path / "tests/unit").mkdir(parents=True)
    for test in (first, second):
        (tmp_path / test).write_text("before")

    def known(mutant, source=source):
        outcome = Records(tmp_path / "records", {MODULE: source}, tmp_path).get(mutant, [first, second])
        return outcome and outcome.status

    records = Records(tmp_path / "records", {MODULE: source}, tmp_path)
    records.put(mutant, [first, second], Outcome("killed", f"{first}::test_a", 1.0))
    records.put(other, [first, second], Outcome("survived", "", 1.0))
    assert (known(mutant), known(other)) == ("killed", "survived")
    assert known(mutant, source + "c = 2\n") is None, "another module"
    (tmp_path / second).write_text("after")
    assert (known(mutant), known(other)) == ("killed", None), "a survivor is tried on the new test"
    (tmp_path / first).write_text("after")
    assert known(mutant) is None, "the test that killed is another one"


def test_the_report_counts_by_room_and_shows_survivors():
    sources = {MODULE: "a = b < 1\n", "avx/losses/toy.py": "a = b or c\n"}
    killed, survivor, stopped = (*mutants_of(MODULE, sources[MODULE])[:2], *mutants_of(*list(sources.items())[1]))
    outcomes = {killed: Outcome("killed", "t", 1), survivor: Outcome("survived", "", 1)}
    outcomes[stopped] = Outcome("timeout", "", 1)
    text = report(outcomes, sources, {})
    assert f"{MODULE}:1 comparison\n-a = b < 1\n+a = b > 1\n{survivor.identity}\n" in text and "b <= 1" not in text
    assert [line.split() for line in text.splitlines()[-3:]] == [
        ["classic", "2", "1", "0", "0", "1", "50.0", "%"],
        ["losses", "1", "1", "1", "0", "0", "100.0", "%"],
        ["all", "3", "2", "1", "0", "1", "66.7", "%"],
    ]
    text = report(outcomes, sources, {survivor.identity: "computes the same"})
    assert "b > 1" not in text and text.split()[-8:] == ["all", "3", "2", "1", "1", "0", "100.0", "%"]


def test_judged_survivors_are_names_with_reasons(tmp_path):
    assert all(name.startswith("avx/") and reason for name, reason in judged(JUDGED).items())
    path = tmp_path / "judged.txt"
    path.write_text("# a remark\n\nname|1\n    a reason\nname|2\n    another\n")
    assert judged(path) == {"name|1": "a reason", "name|2": "another"}
    path.write_text("name|1\nname|2\n    a reason\n")
    with pytest.raises(AssertionError, match="name, reason"):
        judged(path)


def test_a_mutant_is_applied_by_bytes():
    assert Mutant("m", 1, "constant", 6, 7, "2").applied("é = [1]\n") == "é = [2]\n"
