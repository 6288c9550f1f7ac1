"""How long the text of a template can become, from its syntax: in columns of the row and in earlier answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from jinja2 import nodes
from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.jobs.templates import OURS

JSON = 6
"""How many times as long a JSON value can be in Python's spelling: `1e15` becomes `1000000000000000.0`."""

_SMALL = 400
"""The most characters of a number, which is what some filters give."""

_SHORTER = frozenset({"trim", "string", "first", "last", "min", "max"})
_NUMBERS = frozenset({"length", "count", "int", "float", "round", "abs", "filesizeformat"})


class Size(Struct, frozen=True):
    """`fixed` bytes, plus columns, the key, the whole row and answers of steps, each so many times. `parsed` answers
    are read as JSON: their values can be longer than their text.

    Not `known`: a loop or a call can make more of them than can be seen here; each is counted once.
    """

    fixed: int = 0
    columns: Counter[str] = Counter()
    keys: int = 0
    rows: int = 0
    answers: Counter[str] = Counter()
    parsed: Counter[str] = Counter()
    known: bool = True

    def __add__(self, other: Size) -> Size:
        return Size(
            self.fixed + other.fixed,
            self.columns + other.columns,
            self.keys + other.keys,
            self.rows + other.rows,
            self.answers + other.answers,
            self.parsed + other.parsed,
            self.known and other.known,
        )

    def __or__(self, other: Size) -> Size:
        """The larger of both, in each of its parts."""
        return Size(
            max(self.fixed, other.fixed),
            self.columns | other.columns,
            max(self.keys, other.keys),
            max(self.rows, other.rows),
            self.answers | other.answers,
            self.parsed | other.parsed,
            self.known and other.known,
        )

    def times(self, count: int) -> Size:
        """So many of them."""
        return Size(
            self.fixed * count,
            Counter({name: each * count for name, each in self.columns.items()}),
            self.keys * count,
            self.rows * count,
            Counter({name: each * count for name, each in self.answers.items()}),
            Counter({name: each * count for name, each in self.parsed.items()}),
            self.known,
        )

    def read_as_json(self) -> Size:
        """The same with its answers parsed."""
        return replace(self, answers=Counter(), parsed=self.parsed + self.answers)


NOTHING = Size()


def sizes(trees: Iterable[nodes.Template]) -> Size:
    """The size of all of these templates together."""
    try:
        return sum((_Reading().body(tree.body) for tree in trees), NOTHING)
    except RecursionError:
        return Size(known=False)


class _Reading:
    """Reads the syntax of one template. `names` are the variables that it sets itself."""

    def __init__(self) -> None:
        self.names: dict[str, Size] = {}

    def body(self, statements: Iterable[nodes.Node]) -> Size:
        return sum(map(self._statement, statements), NOTHING)

    def _statement(self, node: nodes.Node) -> Size:
        match node:
            case nodes.Output():
                return sum(map(self._written, node.nodes), NOTHING)
            case nodes.If():
                return self._one_of([node.body, *(one.body for one in node.elif_), node.else_])
            case nodes.Assign(target=nodes.Name() as target):
                self.names[target.name] = self.names.get(target.name, NOTHING) | self._value(node.node)
                return NOTHING
            case nodes.For(iter=nodes.List(items=items) | nodes.Tuple(items=items), target=nodes.Name() as target):
                self.names |= {target.name: self._largest(items), "loop": Size(_SMALL)}
                return self.body(node.body).times(len(items)) + self.body(node.else_)
            case _:
                return self._unseen(node)

    def _one_of(self, branches: Iterable[list[nodes.Node]]) -> Size:
        largest = NOTHING
        for branch in branches:
            largest = largest | self.body(branch)
        return largest

    def _written(self, node: nodes.Node) -> Size:
        if isinstance(node, nodes.TemplateData):
            return Size(len(node.data.encode(errors="replace")))
        return self._value(node)

    def _value(self, node: nodes.Node) -> Size:
        match node:
            case nodes.Const():
                return Size(len(str(node.value).encode(errors="replace")))
            case nodes.Name():
                return self._name(node.name)
            case nodes.Getattr() | nodes.Getitem():
                return self._part(node)
            case nodes.CondExpr():
                return self._value(node.expr1) | (self._value(node.expr2) if node.expr2 else NOTHING)
            case nodes.And() | nodes.Or():
                return self._value(node.left) | self._value(node.right)
            case nodes.Add() | nodes.Sub():
                return self._value(node.left) + self._value(node.right) + Size(_SMALL)
            case nodes.Concat():
                return sum(map(self._value, node.nodes), NOTHING)
            case nodes.Test() | nodes.Compare() | nodes.Not():
                return Size(len("False"))
            case nodes.Filter():
                return self._filtered(node)
            case _:
                return self._unseen(node)

    def _name(self, name: str) -> Size:
        if name in self.names:
            return self.names[name]
        if name == "key":
            return Size(keys=1)
        if name == "row":
            return Size(rows=1)
        return Size(known=False) if name in OURS else Size(columns=Counter({name: 1}))

    def _part(self, node: nodes.Getattr | nodes.Getitem) -> Size:
        """A column, an earlier answer, or a part of one."""
        name = node.attr if isinstance(node, nodes.Getattr) else _constant(node.arg)
        if isinstance(node.node, nodes.Name) and node.node.name not in self.names:
            if node.node.name == "row":
                return Size(columns=Counter({str(name): 1})) if name is not None else Size(rows=1)
            if node.node.name == "answers":
                return Size(answers=Counter({str(name): 1})) if name is not None else Size(known=False)
        whole = self._value(node.node)
        return whole.read_as_json() if name == "json" else whole

    def _filtered(self, node: nodes.Filter) -> Size:
        value = self._value(node.node) if node.node else Size(known=False)
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            return self._unseen(node)
        if node.name in _SHORTER:
            return value
        if node.name in _NUMBERS:
            return Size(_SMALL)
        if node.name in ("default", "d"):
            return value | (self._value(node.args[0]) if node.args else NOTHING)
        return value.times(JSON) if node.name == "tojson" and not node.args else self._unseen(node)

    def _largest(self, several: Iterable[nodes.Node]) -> Size:
        largest = NOTHING
        for one in several:
            largest = largest | self._value(one)
        return largest

    def _unseen(self, node: nodes.Node) -> Size:
        """Everything below a node whose effect is not known, once."""
        total = Size(known=False)
        for child in node.iter_child_nodes():
            one = self._statement(child) if isinstance(child, nodes.Stmt) else self._written(child)
            total = total + one
        return total


def _constant(node: nodes.Node) -> Any:
    return node.value if isinstance(node, nodes.Const) else None
