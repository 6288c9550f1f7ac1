"""What filters and methods in templates cost, if they can make much out of little."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import pass_context
from jinja2.sandbox import SandboxedEscapeFormatter, SandboxedFormatter
from markupsafe import Markup

from batchtui.core.jobs.template_bounds import ELEMENT, WORK, Budget, TooMuch, counted, size, weight

_CALL = 512
"""What a call costs: a macro that calls itself twice ends soon."""

_COPY = 128
"""Bytes that are copied in the time that one byte is made."""

_NUMBER = re.compile(r"\d+|\*")
_PERCENT = re.compile(r"%(?:\([^)]*\))?([^a-zA-Z%]*)")

Cost = Callable[..., int]
"""Called with what the filter or the method gets; raises TooMuch by itself if no budget would do."""


class _Paying(SandboxedFormatter):
    """Fills in `'{:>10}'.format(...)`, and pays for each field."""

    budget: Budget

    def format_field(self, value: Any, format_spec: str) -> Any:
        self.budget.spend(_CALL + _widths(format_spec) + weight(value))
        return super().format_field(value, format_spec)

    def convert_field(self, value: Any, conversion: Any) -> Any:
        self.budget.spend(weight(value) if conversion else 0)
        return super().convert_field(value, conversion)


class _PayingEscaped(_Paying, SandboxedEscapeFormatter):
    """The same for what is marked as safe."""


class Format:
    """The method `format` or `format_map` of a text, which can only be called with a budget."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self.__name__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        raise TypeError(f"{self.__name__} can only be called by a template")

    def filled(self, context: Budget, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        if self.__name__ == "format_map":
            (kwargs,), args = args, ()
        text = self._text
        made = _Paying(context.environment)
        if isinstance(text, Markup):
            made = _PayingEscaped(context.environment, escape=text.escape)
        made.budget = context
        return type(text)(made.vformat(text, args, kwargs))


def percent(text: str, values: Any) -> int:
    """What `text % values` costs."""
    several = values if isinstance(values, tuple) else tuple(values.values()) if isinstance(values, dict) else (values,)
    places = _PERCENT.findall(text)
    stars = sum(abs(one) for one in several if isinstance(one, int)) if any("*" in place for place in places) else 0
    return size(text) + sum(map(_widths, places)) + stars + len(places) * max(map(weight, several), default=0)


def _widths(spec: str) -> int:
    return sum(_number(found) for found in _NUMBER.findall(spec) if found != "*")


def _number(digits: str) -> int:
    if len(digits) > 9:
        raise TooMuch
    return int(digits)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    try:
        return len(value)
    except TypeError:
        return 0


def _width(value: Any, width: Any = 80, *_: Any, **__: Any) -> int:
    return abs(width) if isinstance(width, int) else size(_plain(width))


def _indent(value: Any, width: Any = 4, *_: Any, **__: Any) -> int:
    return (_plain(value).count("\n") + 1) * _width(value, width)


def _replace(value: Any, old: Any, new: Any, *_: Any, **__: Any) -> int:
    text = _plain(value)
    times = text.count(old) if isinstance(old, str) else len(text) + 1
    return size(text) + times * (size(new) if isinstance(new, str) else 20)


def _join(value: Any, d: Any = "", *_: Any, **__: Any) -> int:
    items = list(value) if _count(value) else []
    texts = 4 * sum(map(len, items)) if all(type(item) is str for item in items) else weight(items)
    return len(items) * size(_plain(d)) + texts


def _joined_by(text: Any, several: Any) -> int:
    return _join(several, text)


def _round(value: Any, precision: Any = 0, *_: Any, **__: Any) -> int:
    return WORK + 1 if isinstance(precision, int) and abs(precision) > 400 else 0


def _tojson(value: Any, indent: Any = None, *_: Any, **__: Any) -> int:
    return WORK + 1 if isinstance(indent, int) and abs(indent) > 64 else 0


def _pprint(value: Any, *_: Any, **__: Any) -> int:
    return weight(value) * 64


def _words(value: Any, *_: Any, **__: Any) -> int:
    """Long words are cut again and again."""
    longest = max(map(len, _plain(value).split()), default=0)
    return longest * longest // _COPY


def _stripped(value: Any, *_: Any, **__: Any) -> int:
    text = _plain(value)
    return len(text) * text.count("<!--") // _COPY


def _each(value: Any, *_: Any, **__: Any) -> int:
    return _count(value) * ELEMENT


def _list(value: Any, *_: Any, **__: Any) -> int:
    return _count(value) * (8 if not isinstance(value, str) or value.isascii() else 80)


def _sum(value: Any, attribute: Any = None, start: Any = 0, *_: Any, **__: Any) -> int:
    return _each(value) if isinstance(start, int | float) else _count(value) ** 2 * ELEMENT + WORK // 1000


def _parts(value: Any, number: Any, fill: Any = None, *_: Any, **__: Any) -> int:
    return (abs(number) if isinstance(number, int) else 0) * (ELEMENT + weight(fill))


def _format(value: Any, *args: Any, **kwargs: Any) -> int:
    return percent(_plain(value), kwargs or args)


FILTERS: Mapping[str, Cost] = {
    "batch": _parts,
    "center": _width,
    "dictsort": _each,
    "format": _format,
    "groupby": _each,
    "indent": _indent,
    "join": _join,
    "list": _list,
    "map": _each,
    "max": _each,
    "min": _each,
    "pprint": _pprint,
    "reject": _each,
    "rejectattr": _each,
    "replace": _replace,
    "round": _round,
    "select": _each,
    "selectattr": _each,
    "slice": _parts,
    "sort": _each,
    "striptags": _stripped,
    "sum": _sum,
    "tojson": _tojson,
    "unique": _each,
    "urlize": _words,
    "wordwrap": _words,
}


def _fill(text: Any, width: Any = 0, *_: Any) -> int:
    return abs(width) if isinstance(width, int) else 0


def _tabs(text: Any, tabsize: Any = 8) -> int:
    return _plain(text).count("\t") * _fill(text, tabsize)


def _translate(text: Any, table: Any) -> int:
    values = table.values() if isinstance(table, dict) else ()
    return _count(text) * max((size(one) for one in values if isinstance(one, str)), default=4)


def _split(text: Any, *_: Any, **__: Any) -> int:
    return 8 * _count(text)


def _from_keys(_: Any, keys: Any, value: Any = None) -> int:
    return _count(keys) * (ELEMENT + weight(value))


def _bytes(_: Any, length: Any = 1, *__: Any, **___: Any) -> int:
    return _fill(_, length)


METHODS: Mapping[str, Cost] = {
    "center": _fill,
    "expandtabs": _tabs,
    "fromkeys": _from_keys,
    "join": _joined_by,
    "ljust": _fill,
    "replace": _replace,
    "rjust": _fill,
    "rsplit": _split,
    "split": _split,
    "splitlines": _split,
    "to_bytes": _bytes,
    "translate": _translate,
    "zfill": _fill,
}


def _nothing(_: Budget) -> tuple[Any, ...]:
    return ()


_PASSED: Mapping[str, Callable[[Budget], tuple[Any, ...]]] = {
    "context": lambda context: (context,),
    "eval_context": lambda context: (context.eval_ctx,),
    "environment": lambda context: (context.environment,),
}


def paid(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for what it does before it does it."""
    cost = FILTERS[name]
    passed = _PASSED.get(getattr(getattr(function, "jinja_pass_arg", None), "name", ""), _nothing)

    def filtering(context: Budget, value: Any, *args: Any, **kwargs: Any) -> Any:
        if hasattr(value, "__next__"):
            value = list(counted(context, value, ELEMENT))
        context.spend(cost(value, *args, **kwargs))
        made = function(*passed(context), value, *args, **kwargs)
        if isinstance(made, str):
            context.spend(size(made))
            return made
        return counted(context, made, ELEMENT) if hasattr(made, "__next__") else made

    return pass_context(filtering)


def paid_call(context: Budget, called: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Pays for the call of a method, a macro or a global."""
    cost = METHODS.get(getattr(called, "__name__", ""))
    context.spend(_CALL if cost is None else cost(getattr(called, "__self__", None), *args, **kwargs) + _CALL)
