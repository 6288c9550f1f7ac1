"""The Jinja environment of templates: sandboxed, bounded, and without anything that is left to chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from jinja2 import StrictUndefined, Undefined, UndefinedError, nodes, pass_context
from jinja2.compiler import CodeGenerator
from jinja2.runtime import LoopContext, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from batchtui.core.jobs import template_bounds as bounds
from batchtui.core.jobs.template_bounds import STEP, Budget, PlainNamespace
from batchtui.core.jobs.template_costs import FILTERS, Format, paid, paid_call, percent

_SAME_SIZE = frozenset(
    ("capitalize", "e", "escape", "filesizeformat", "forceescape", "lower", "safe", "string", "title", "tojson")
) | frozenset(("trim", "truncate", "upper", "urlencode", "wordcount", "xmlattr"))
"""Filters that make a text of whatever they get, no longer than a few times its own."""

_COMPARES = frozenset(["sort", "unique", "groupby", "min", "max", "dictsort"])
_FOR_JINJA = frozenset({"_loop_vars", "_block_vars"})
_COUNTED, _JOINED, _AS_TEXT, _COMPARED = "loop bound", "joined by", "as text", "compared to"
_PAID = "paid "
"""Filters of ours; `bounded` puts them into templates. No template can name them."""


class _Generator(CodeGenerator):
    _has_buffers = False

    def visit_Template(self, node: nodes.Template, frame: Any = None) -> None:  # noqa: N802 - Jinja's name
        buffers = (nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock)
        recursive = any(one.recursive for one in node.find_all(nodes.For))
        self._has_buffers = recursive or any(True for _ in node.find_all(buffers))
        super().visit_Template(node, frame)

    def write_commons(self) -> None:
        """Texts that macros and blocks make are paid for, too."""
        super().write_commons()
        if self._has_buffers:
            self.writeline("concat = environment.concat_in(context)")


class Environment(ImmutableSandboxedEnvironment):
    context_class = Budget
    code_generator_class = _Generator
    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=_finalize, cache_size=0)
        del self.filters["random"]  # so that a row gives the same request each time it is built
        self.filters.update({_PAID + name: paid(name, self.filters[name]) for name in FILTERS})
        self.filters[_COUNTED] = pass_context(bounds.counted)
        self.filters[_JOINED] = pass_context(bounds.joined)
        self.filters[_AS_TEXT] = pass_context(bounds.as_text)
        self.filters[_COMPARED] = pass_context(bounds.compared)
        self.eval_context = nodes.EvalContext(self)
        self.globals = {"range": bounds.numbers, "dict": dict, "namespace": PlainNamespace}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A column named `items` or `values` is the column, not the dict method."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Budget, operator: str, left: Any, right: Any) -> Any:  # type: ignore[override]
        if operator == "%":
            if isinstance(left, str):
                context.spend(percent(left, right))
        elif operator != "+" or not isinstance(left, int):
            bounds.operated(context, operator, left, right)
        return self.binop_table[operator](left, right)

    def call(self, context: Budget, obj: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        named = {name: one for name, one in kwargs.items() if name not in _FOR_JINJA} if kwargs else kwargs
        paid_call(context, obj, args, named)
        if isinstance(obj, Format):
            return obj.filled(context, args, named)
        if isinstance(obj, LoopContext) and args:
            args = (bounds.counted(context, args[0], STEP), *args[1:])
        for one in (*args, *named.values()):
            if isinstance(one, bounds.CONTAINERS):
                bounds.compared(context, one)
        made = super().call(context, obj, *args, **kwargs)
        return bounds.as_text(context, made) if isinstance(made, str) else made

    def call_filter(self, name: Any, value: Any, args: Any = None, kwargs: Any = None, *rest: Any, **more: Any) -> Any:
        if name in _SAME_SIZE and (context := more.get("context") or next(iter(rest), None)):
            bounds.as_text(context, value)
        name = f"{_PAID}{name}" if name in FILTERS else name
        return super().call_filter(name, value, args, kwargs, *rest, **more)

    def call_test(self, name: Any, value: Any, args: Any = None, kwargs: Any = None, *rest: Any, **more: Any) -> Any:
        if context := more.get("context") or next(iter(rest), None):
            bounds.compared(context, value)
        return super().call_test(name, value, args, kwargs, *rest, **more)

    @staticmethod
    def concat_in(context: Budget) -> Callable[[Iterable[str]], str]:
        """What generated code calls to join the pieces of a macro or a block."""
        return partial(bounds.concat, context)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        return Format(value.__self__, value.__name__) if wrapped else None


def bounded(tree: nodes.Template) -> None:
    """Puts a price on what can make much out of little. Before it, even looking at a template may compute constants."""
    makes_containers = any(map(_makes, tree.find_all((nodes.List, nodes.Tuple, nodes.Dict, nodes.BinExpr, nodes.Call))))
    _Bounding(makes_containers or any(map(_fills, tree.find_all(nodes.Filter)))).visit(tree)


def _makes(node: nodes.Expr) -> bool:
    """Whether an expression can hold the same value several times: then lists can be much longer than they look."""
    match node:
        case nodes.List() | nodes.Tuple():
            return getattr(node, "ctx", "load") == "load" and not all(
                isinstance(one, nodes.Const) for one in node.items
            )
        case nodes.Dict():
            return not all(isinstance(one.value, nodes.Const) for one in node.items)
        case nodes.Mul():
            return True
        case nodes.Add():
            return not any(isinstance(one, nodes.Const) for one in (node.left, node.right))
        case nodes.Call():
            return isinstance(node.node, nodes.Name) or (
                isinstance(node.node, nodes.Getattr) and node.node.attr == "fromkeys"
            )
        case _:
            return False


def _fills(node: nodes.Filter) -> bool:
    return node.name in ("batch", "slice") and len(node.args) + len(node.kwargs) > 1


def _cheap(node: nodes.Filter) -> bool:
    """Whether a filter in a template that makes no lists only does a little for what the row holds."""
    if node.dyn_args or node.dyn_kwargs or not all(isinstance(one, nodes.Const) for one in node.args):
        return False
    given = [one.value for one in node.args if isinstance(one, nodes.Const)]
    match node.name, given:
        case "replace", [str() as old, str() as new, *_]:
            return 0 < len(new) <= 4 * len(old) or bool(old and not new)
        case "join", []:
            return True
        case "join", [str() as between]:
            return len(between) <= 8
        case "center" | "round" | "tojson" | "batch" | "slice", [*numbers]:
            small = all(isinstance(one, str | int) and len(str(one)) <= 2 for one in numbers)
            return small and not node.kwargs
        case name, _:
            return name not in ("format", "indent", "pprint", "replace", "striptags", "urlize", "wordwrap")


class _Bounding(NodeTransformer):
    """Wraps expressions in our filters. Only a template that `_makes` containers needs a price on each use of one."""

    def __init__(self, makes_containers: bool) -> None:
        self._careful = makes_containers

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's names
        written = sum(len(output.nodes) for output in node.find_all(nodes.Output))
        self.generic_visit(node)
        step = STEP * (1 + written + sum(1 for _ in node.find_all((nodes.Assign, nodes.AssignBlock))))
        node.iter = _wrapped(node.iter, _COUNTED, nodes.Const(step))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _wrapped(nodes.List(node.nodes, lineno=node.lineno), _JOINED)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if self._careful and node.node is not None:
            if node.name in _SAME_SIZE:
                node.node = _wrapped(node.node, _AS_TEXT)
            elif node.name in _COMPARES:
                node.node = _wrapped(node.node, _COMPARED)
        if node.name in FILTERS and (self._careful or not _cheap(node)):
            node.name = _PAID + node.name
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if self._careful:
            node.nodes = [
                one if isinstance(one, nodes.TemplateData | nodes.Const) else _wrapped(one, _AS_TEXT)
                for one in node.nodes
            ]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if self._careful:
            node.expr = _wrapped(node.expr, _COMPARED)
            for operand in node.ops:
                operand.expr = _wrapped(operand.expr, _COMPARED)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if self._careful and node.name not in ("defined", "undefined"):
            node.node = _wrapped(node.node, _COMPARED)
            node.args = [_wrapped(one, _COMPARED) for one in node.args or ()]
        return node

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        for pair in node.items:
            if not isinstance(pair.key, nodes.Const):
                pair.key = _wrapped(pair.key, _COMPARED)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if self._careful and not isinstance(node.arg, nodes.Const | nodes.Slice):
            node.arg = _wrapped(node.arg, _COMPARED)
        return node


def _wrapped(node: Any, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


def _finalize(value: Any) -> Any:
    """What is written for a value. Raises UndefinedError if it is not a value, such as a Python method."""
    if value is None or type(value) is str:
        return value or ""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
    for member in members:
        if isinstance(member, Undefined):
            str(member)
        elif callable(member) or isinstance(member, TemplateReference):
            raise UndefinedError(
                f"'{getattr(member, '__name__', None) or getattr(member, 'name', 'self')}' is undefined"
            )
    return value
