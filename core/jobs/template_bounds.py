"""Bounds what a template may do for one row: in steps, in text and in time.

Jinja's sandbox keeps a template from the machine, not from burning it: `{{ 'x' * 10**10 }}` takes all memory. Here
each loop, call and operator that can make much out of little is paid for before it runs. What cannot be large costs
nothing extra: names, conditions, and filters that keep the size of a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from time import monotonic, thread_time
from typing import Any

from jinja2.runtime import Context
from jinja2.sandbox import MAX_RANGE
from jinja2.utils import Namespace

WORK = 128_000_000
"""Bytes of text and lists that a template may make for one row. The API takes no request nearly as large."""

STEP = 16
"""What a step counts, in bytes: 8 million steps are possible if nothing is made."""

ELEMENT = 64
"""What an element of a list counts where each is looked at, or becomes an object of its own."""

SECONDS = 2.0
"""Seconds of this thread's own time: a busy or sleeping machine refuses nobody's template."""

SMALL = 1000
"""Bytes that are not worth counting: the loops that make many such are counted."""

_MUCH = 1_000_000
_LOOK = 1 << 14
"""After so much is spent, the clock is looked at."""

_CHUNK = 64
_BITS = 1 << 14
"""A whole number with more is over the 4,300 digits that Python writes."""

CONTAINERS = (list, tuple, dict)
_KINDS = frozenset(CONTAINERS)


class TooMuch(Exception):
    """A template asks for more than it may have for one row."""


class Budget(Context):
    """The context of one rendering, and what is left of its budget."""

    left = WORK
    _looks_at = WORK - _LOOK
    _until = 0.0
    _began = 0.0

    def __init__(self, environment: Any, parent: dict[str, Any], name: str | None, blocks: Any, _: Any = None) -> None:
        """Jinja's own makes an EvalContext each time. There is one for all here, as no template can change it."""
        self.environment = environment
        self.parent = parent
        self.vars = {}
        self.eval_ctx = environment.eval_context
        self.exported_vars = set()
        self.name = name
        self.globals_keys = set()
        self.blocks = {block: [render] for block, render in blocks.items()}

    def spend(self, amount: int) -> None:
        """Raises TooMuch if so much is not left, or the time is up."""
        self.left -= amount
        if self.left < self._looks_at:
            self._look()

    @property
    def made_much(self) -> bool:
        return self.left < WORK - _MUCH

    def _look(self) -> None:
        if self.left < 0:
            raise TooMuch
        self._looks_at = self.left - _LOOK
        now = monotonic()
        if now < self._until:
            return
        if not self._until:
            self._until = now + SECONDS / 4
        elif not self._began:
            self._began = thread_time()
        elif thread_time() - self._began > SECONDS * 3 / 4:
            raise TooMuch


class PlainNamespace(Namespace):
    """A namespace whose text is short, whatever was put into it."""

    def __repr__(self) -> str:
        return "<namespace>"


def numbers(*limits: int) -> range:
    """`range` for templates. Raises TooMuch if it is longer than any loop may be."""
    made = range(*limits)
    if made and abs((made[-1] - made[0]) // made.step) >= MAX_RANGE:
        raise TooMuch
    return made


def size(text: str) -> int:
    """The bytes that a text takes, at most."""
    return len(text) if text.isascii() else 4 * len(text)


def weight(value: Any) -> int:
    """About how long a value is as text; what occurs twice counts twice. Raises TooMuch if that is too long."""
    total, waiting = 8, [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                total += size(text)
            case dict() as table:
                total += ELEMENT * (1 + len(table)) + sum(len(name) for name in table if isinstance(name, str))
                waiting.extend(table.values() if total <= WORK else ())
            case list() | tuple() as several:
                total += ELEMENT * (1 + len(several))
                waiting.extend(several if total <= WORK else ())
            case int() as number:
                total += number.bit_length() // 3
        if total > WORK:
            raise TooMuch
    return total


def counted(context: Budget, items: Any, step: int) -> Any:
    """The items of a loop, paid for, if each of them costs `step`."""
    try:
        count = len(items)
    except TypeError:
        count = _CHUNK + 1
    if count <= _CHUNK:
        context.spend(count * step)
        return items
    return chain.from_iterable(_paced(context, items, step))


def _paced(context: Budget, items: Iterable[Any], step: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, _CHUNK)):
        context.spend(len(some) * step)
        yield some


def concat(context: Budget, pieces: Iterable[str]) -> str:
    """The pieces as one text, paid for before it is made."""
    rest = iter(pieces)
    some = list(islice(rest, _CHUNK))
    done: list[str] = []
    while True:
        if context.made_much:
            context.spend(sum(map(len, some)))
        text = "".join(some)
        if len(text) > SMALL:
            context.spend(size(text))
        if len(some) < _CHUNK and not done:
            return text
        done.append(text)
        some = list(islice(rest, _CHUNK))
        if not some:
            return "".join(done)
        context.spend(_CHUNK)


def joined(context: Budget, values: list[Any]) -> str:
    """`a ~ b`"""
    texts = [value if isinstance(value, str) else as_text(context, value) for value in values]
    texts = [text if isinstance(text, str) else str(text) for text in texts]
    context.spend(sum(map(size, texts)))
    return "".join(texts)


def as_text(context: Budget, value: Any) -> Any:
    """The value, paid for as the text that is made of it."""
    if isinstance(value, str):
        context.spend(size(value))
    elif isinstance(value, CONTAINERS):
        context.spend(weight(value))
    return value


def compared(context: Budget, value: Any) -> Any:
    """The value, if it is not too long to be compared: the same list counts each time it occurs."""
    if isinstance(value, CONTAINERS):
        total, waiting = 0, [value]
        while waiting:
            several = waiting.pop()
            members = several.values() if isinstance(several, dict) else several
            total += len(members)
            if total > WORK // ELEMENT:
                raise TooMuch
            if not _KINDS.isdisjoint(map(type, members)):
                waiting.extend(one for one in members if isinstance(one, CONTAINERS))
        context.spend(total // 4 + STEP)
    return value


def operated(context: Budget, operator: str, left: Any, right: Any) -> None:
    """Pays for an operator. Raises TooMuch."""
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length()
        if operator == "**" and abs(left) > 1:
            bits *= max(right, 0)
        elif operator == "*":
            bits += right.bit_length()
        if bits > _BITS:
            raise TooMuch
    elif operator == "*":
        several, times = (right, left) if isinstance(left, int) else (left, right)
        if isinstance(times, int) and isinstance(several, (str, *CONTAINERS)):
            context.spend(weight(several) * max(times, 0))
    elif operator == "+" and isinstance(left, (str, *CONTAINERS)):
        context.spend(_held(left) + _held(right))


def _held(value: Any) -> int:
    return size(value) if isinstance(value, str) else 8 * len(value) if isinstance(value, CONTAINERS) else 0
