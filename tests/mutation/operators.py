"""Finds the one-line mutants of a module: each is one edit of its source text, made where the syntax tree says."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import re
from collections.abc import Iterator

COMPARISONS = {
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
PAIRS = (
    ("minimum", "maximum"),
    ("min", "max"),
    ("argmin", "argmax"),
    ("any", "all"),
    ("floor", "ceil"),
    ("sum", "mean"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("logical_and", "logical_or"),
)
OPPOSITES = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
UNWRAPPED = {
    "sqrt",
    "square",
    "abs",
    "exp",
    "log",
    "log1p",
    "log2",
    "stop_gradient",
    "l2_normalize",
    "unit_rows",
    "sort",
}
"""Functions of one array whose call may be replaced by its argument."""
GUARD = 1e-6
"""Floats up to this size keep a division or a logarithm finite; doubled they would change nothing, so they become 0."""


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One edit of a module.

    Attributes:
      module: path in the repository, such as "avx/losses/pairs.py".
      line: 1-based line of the edit.
      rule: what was done, such as "comparison".
      start, end: bytes of the source that are replaced.
      text: what replaces them.
      identity: names the edit by the text of its line, so that it stays the same where other lines are added.
    """

    module: str
    line: int
    rule: str
    start: int
    end: int
    text: str
    identity: str = ""

    def applied(self, source: str) -> str:
        """The source of the mutated module."""
        data = source.encode()
        return (data[: self.start] + self.text.encode() + data[self.end :]).decode()

    def diff(self, source: str) -> str:
        """The changed lines, "-" before and "+" after."""
        lines = difflib.unified_diff(source.splitlines(), self.applied(source).splitlines(), n=0, lineterm="")
        return "\n".join(line for line in list(lines)[2:] if not line.startswith("@@"))


def mutants_of(module: str, source: str) -> list[Mutant]:
    """All mutants of a module that still parse, in the order of their places.

    Left alone are docstrings and other strings, annotations, decorators, messages of errors, assertions, imports and
    `strict=` of zip: changing them changes nothing, or fails at once for a reason that no test needs to know.

    >>> [mutant.diff("a = b < 2") for mutant in mutants_of("m.py", "a = b < 2")][0]
    '-a = b < 2\\n+a = b <= 2'
    """
    finder = _Finder(module, source)
    finder.visit(ast.parse(source))
    lines = source.splitlines()
    found, seen = [], {}
    for mutant in sorted(finder.found, key=lambda mutant: (mutant.start, mutant.end, mutant.text)):
        try:
            ast.parse(mutant.applied(source))
        except SyntaxError:
            continue
        line = lines[mutant.line - 1]
        place = mutant.start - finder.offset(mutant.line, len(line) - len(line.lstrip()))
        name = f"{module}|{line.strip()}|{place}|{mutant.rule}|{mutant.text}"
        seen[name] = seen.get(name, 0) + 1
        found.append(dataclasses.replace(mutant, identity=f"{name}|{seen[name]}"))
    return found


class _Finder(ast.NodeVisitor):
    def __init__(self, module: str, source: str):
        self.module, self.data, self.found = module, source.encode(), []
        self._starts = [0]
        for line in self.data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._depth = 0

    def offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column

    def _span(self, node: ast.AST) -> tuple[int, int]:
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self.data[start:end].decode()

    def _replace(self, rule: str, line: int, start: int, end: int, text: str) -> None:
        self.found.append(Mutant(self.module, line, rule, start, end, text))

    def _replace_node(self, rule: str, node: ast.AST, text: str) -> None:
        self._replace(rule, node.lineno, *self._span(node), text)

    def _replace_token(self, rule: str, left: ast.AST, right: ast.AST, token: str, texts: tuple[str, ...]) -> None:
        """Replaces the operator that stands between two operands."""
        start, end = self._span(left)[1], self._span(right)[0]
        between = re.sub(rb"#[^\n]*", lambda comment: b" " * len(comment[0]), self.data[start:end])
        pattern = rb"\s+".join(re.escape(word.encode()) for word in token.split())
        place = re.search(pattern, between)
        assert place, f"{self.module}: no {token} in {between!r}"
        line = left.end_lineno + between[: place.start()].count(b"\n")
        for text in texts:
            self._replace(rule, line, start + place.start(), start + place.end(), text)

    # What is left alone.

    def _skip(self, node: ast.AST) -> None:
        pass

    visit_Import = visit_ImportFrom = visit_Raise = visit_Assert = visit_JoinedStr = _skip

    def _definition(self, node) -> None:
        self._depth += 1
        if not isinstance(node, ast.ClassDef):
            for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)
        self._depth -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _definition

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant) and "chex.assert" not in self._text(node)[:11]:
            self.generic_visit(node)

    # What is mutated.

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
            token, texts = COMPARISONS[type(operator)]
            self._replace_token("comparison", left, right, token, texts)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        words = any(isinstance(part, ast.JoinedStr) or _is_text(part) for part in (node.left, node.right))
        types = not self._depth and isinstance(node.op, ast.BitOr | ast.BitAnd)
        if type(node.op) in ARITHMETIC and not words and not types:
            token, text = ARITHMETIC[type(node.op)]
            self._replace_token("arithmetic", node.left, node.right, token, (text,))
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if type(node.op) in ARITHMETIC:
            token, text = ARITHMETIC[type(node.op)]
            self._replace_token("arithmetic", node.target, node.value, token + "=", (text + "=",))
        self.visit(node.value)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        token, text = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._replace_token("and/or", left, right, token, (text,))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        rules = {ast.USub: "sign", ast.Not: "not", ast.Invert: "not"}
        if type(node.op) in rules:
            self._replace_node(rules[type(node.op)], node, self._text(node.operand))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._replace_node("constant", node, str(not value))
        elif isinstance(value, int):
            self._replace_node("constant", node, str(value + 1))
            if value > 0:
                self._replace_node("constant", node, str(value - 1))
        elif isinstance(value, float):
            doubled = 1.0 if value == 0 else 0.0 if abs(value) <= GUARD else 2 * value
            self._replace_node("constant", node, repr(doubled))

    def visit_Call(self, node: ast.Call) -> None:
        name = _called(node)
        if name in OPPOSITES:
            end = self._span(node.func)[1]
            self._replace("opposite", node.func.end_lineno, end - len(name), end, OPPOSITES[name])
        if name == "where" and len(node.args) == 3:
            for branch in node.args[1:]:
                self._replace_node("where", node, f"({self._text(branch)})")
        if name in UNWRAPPED and len(node.args) == 1 and not node.keywords:
            self._replace_node("unwrapped", node, f"({self._text(node.args[0])})")
        if not name[:1].isupper() and name not in ("dict", "zip"):
            for keyword in node.keywords:
                self._drop(keyword)
        if name != "zip":
            self.generic_visit(node)
        else:
            for argument in node.args:
                self.visit(argument)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg == "axis" and isinstance(node.value, ast.Constant | ast.UnaryOp):
            self._replace_node("axis", node.value, "1" if self._text(node.value) == "0" else "0")
        else:
            self.visit(node.value)

    def _drop(self, keyword: ast.keyword) -> None:
        if keyword.arg is None:
            return
        start, end = self._span(keyword)
        after = re.match(rb"\s*,\s*", self.data[end:])
        if after:
            end += after.end()
        else:
            before = re.search(rb",\s*$", self.data[:start])
            start = before.start() if before else start
        self._replace("keyword", keyword.lineno, start, end, "")


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", None) or getattr(node.func, "id", "")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def all_mutants(sources: dict[str, str]) -> Iterator[Mutant]:
    """The mutants of several modules: path -> source, in the order of their names."""
    for module in sorted(sources):
        yield from mutants_of(module, sources[module])
