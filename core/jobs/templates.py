"""Sandboxed Jinja2 templates: they see a row and earlier answers, and nothing else on this machine.

This module imports jinja2, so import it only when there is a job.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError

from batchtui.core.errors import BadInput
from batchtui.core.jobs.job import Prompt
from batchtui.core.jobs.sandbox import Environment, bounded
from batchtui.core.jobs.template_bounds import SECONDS, STEP, WORK, Budget, TooMuch, concat
from batchtui.core.jobs.toml_tables import did_you_mean
from batchtui.core.text import inert_line, number, size

OURS = frozenset({"row", "key", "answers"})
"""Names that templates see besides the columns; a column with such a name is still available as `row.key`."""

_MISSING = re.compile(r"^'(.+)' is undefined$|has no (?:attribute|element) '?(.+?)'?$", re.DOTALL)
_ALONE = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


class Unfit(BadInput):
    """A template that cannot be used, or a row that does not fit it. `line` is within the template, if known."""

    def __init__(self, kind: str, message: str, hint: str, line: int | None = None) -> None:
        super().__init__(message, hint)
        self.kind = kind
        self.line = line


_environment = Environment()


class TooMuchForARow(Unfit):
    """A template that takes too long or too much memory for a row. The next row is not even tried."""

    def __init__(self, message: str) -> None:
        super().__init__("limit", message, "Loop over less, or prepare the text in the source.")


class Template:
    """A template, compiled once. A null becomes empty text, and an unknown name is an error.

    `columns` are the names it needs besides ours; `answers` are the steps whose answers it uses; `tree` is its syntax.

    Raises:
        Unfit: it is not a valid template, or includes another file.
    """

    def __init__(self, prompt: Prompt) -> None:
        self.where = prompt.where
        try:
            tree = _environment.parse(prompt.text)
            other = next(tree.find_all(_ALONE), None)
            optional = set(_optional(tree))
            self.answers = frozenset(_answers(tree))
            self.tree = _environment.parse(prompt.text)  # as it was written
            bounded(tree)
            self.columns = frozenset(meta.find_undeclared_variables(tree) - OURS - optional)
            if not other:
                self._template = _environment.from_string(tree)
        except TemplateSyntaxError as error:
            message = f"{self.where} is not a valid template: {inert_line(error.message or '').rstrip('.')}."
            raise Unfit("template", message, "Names go in {{ }}, statements in {% %}.", error.lineno) from error
        except (RecursionError, MemoryError, OverflowError, SyntaxError) as error:
            message = f"{self.where} is not a valid template: it is nested too deeply."
            raise Unfit("template", message, "Write it with fewer blocks and brackets inside each other.") from error
        except ValueError as error:
            message = f"{self.where} is not a valid template: a number in it has too many digits."
            raise Unfit("template", message, "Write the number in quotes, as a text.") from error
        if other:
            message = f"{self.where} includes another file, which is not possible here."
            raise Unfit("template", message, "Put all of it into this template.", other.lineno)

    def render(self, names: Mapping[str, Any]) -> str:
        """The text for one row.

        Raises:
            Unfit: a name is not there, or an expression fails.
        """
        try:
            context = Budget(_environment, {**_environment.globals, **names}, None, self._template.blocks)
            return concat(context, self._template.root_render_func(context))
        except UndefinedError as error:
            raise self._missing(error, names) from error
        except SecurityError as error:
            raise Unfit("template", f"{self.where}: {inert_line(str(error))}.", "Templates may not do that.") from error
        except (TooMuch, MemoryError) as error:
            message = (
                f"{self.where} asks for too much: for one row, a template may take {SECONDS:.0f} s, make "
                f"{size(WORK)} of text, and loop {number(WORK // STEP)} times."
            )
            raise TooMuchForARow(message) from error
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            message = f"{self.where} cannot be filled in: {inert_line(str(error), 120)}."
            raise Unfit("template", message, "Correct the expression, or the row.") from error

    def _missing(self, error: UndefinedError, names: Mapping[str, Any]) -> Unfit:
        found = _MISSING.search(error.message or "")
        name = inert_line((found[1] or found[2]) if found else str(error), 60)
        row = names.get("row", {})
        return Unfit("undefined", f"{self.where} uses “{name}”, which does not exist.", which(name, row))


def which(name: str, columns: Collection[str]) -> str:
    """The hint for a name that is not a column."""
    shown = inert_line(", ".join(str(column) for column in columns), 200)
    return did_you_mean(name, columns) or (f"The columns are: {shown}" if columns else "There are no columns.")


class Tree:
    """A TOML value whose texts may be templates: the `params` of a request.

    Raises:
        Unfit: one of them is not a valid template.
    """

    def __init__(self, value: Any, where: str) -> None:
        self.templates: list[Template] = []
        self._value = self._compiled(value, where)

    def fill(self, names: Mapping[str, Any]) -> Any:
        """The value for one row. Raises Unfit, as `Template.render` does."""
        return _filled(self._value, names) if self.templates else self._value

    def blank(self) -> Any:
        """The value with every template empty."""
        return _blank(self._value)

    def _compiled(self, value: Any, where: str) -> Any:
        match value:
            case dict():
                return {name: self._compiled(one, f"{where}.{name}") for name, one in value.items()}
            case list():
                return [self._compiled(one, f"{where}[{number}]") for number, one in enumerate(value, 1)]
            case str() if "{{" in value or "{%" in value:
                self.templates.append(Template(Prompt(value, where)))
                return self.templates[-1]
            case _:
                return value


def _filled(value: Any, names: Mapping[str, Any]) -> Any:
    match value:
        case Template():
            return value.render(names)
        case dict():
            return {name: _filled(one, names) for name, one in value.items()}
        case list():
            return [_filled(one, names) for one in value]
        case _:
            return value


def _blank(value: Any) -> Any:
    match value:
        case Template():
            return ""
        case dict():
            return {name: _blank(one) for name, one in value.items()}
        case list():
            return [_blank(one) for one in value]
        case _:
            return value


def _optional(tree: nodes.Template) -> Iterator[str]:
    """Names that the template itself tests for, so it can do without them."""
    for kind, asks in ((nodes.Test, ("defined", "undefined")), (nodes.Filter, ("default", "d"))):
        for asked in tree.find_all(kind):
            if asked.name in asks and isinstance(asked.node, nodes.Name):
                yield asked.node.name


def _answers(tree: nodes.Template) -> Iterator[str]:
    for found in tree.find_all(nodes.Getattr):
        if isinstance(found.node, nodes.Name) and found.node.name == "answers":
            yield found.attr
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and item.node.name == "answers" and isinstance(item.arg, nodes.Const):
            yield str(item.arg.value)
