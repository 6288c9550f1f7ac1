"""What the rows of a file ask of their models, held against what the API says that each model can do.

The API lists capabilities and limits with every model (https://docs.claude.com/en/api/models). What it does not say
about a model is believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from batchtui.core.cost import token_guess
from batchtui.core.cost.models import Catalogue, Model
from batchtui.core.cost.token_count import opened
from batchtui.core.requests.check import SHOWN
from batchtui.core.requests.flaw import quoted
from batchtui.core.requests.input_rows import Numbered
from batchtui.core.requests.problems import Problem
from batchtui.core.requests.rules.request import Part, Request
from batchtui.core.settings import Rules
from batchtui.core.text import inert_line

EXTENDED_OUTPUT = ("output-300k-", 300_000)
"""The beta with which a batch may ask for longer answers (https://docs.claude.com/en/docs/build-with-claude/
batch-processing), and how long they may be."""

MOST_LONG = 20
"""How many rows that may be too long are counted exactly."""

_SURELY = 1.25
"""A guess this many times over a limit is believed without a count; one that is closer is counted."""

_BLOCKS = (b'"image"', b'"document"', b'"citations"')
_DYNAMIC = ("web_search_2026", "web_fetch_2026")


class Need(NamedTuple):
    """An ability, by its path in the API's capabilities, and where a request asks for it."""

    ability: str
    path: str
    words: str


class Found(Struct):
    """Rows that a model cannot take: the first problems, and a count of all. `long` are rows to be counted exactly."""

    problems: list[Problem] = msgspec.field(default_factory=list)
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    long: list[Numbered] = msgspec.field(default_factory=list)
    unit: str = "line"

    def add(self, at: int | None, field: str, message: str, hint: str, where: str) -> None:
        self.kinds["model"] += 1
        if len(self.problems) < SHOWN:
            self.problems.append(Problem(at, field, message, hint, "model", where))


class _Params(Struct):
    model: str
    max_tokens: int = 0
    output_config: Raw | UnsetType = UNSET
    thinking: Raw | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET
    context_management: Raw | UnsetType = UNSET


class _Row(Struct):
    params: _Params


_row = msgspec.json.Decoder(_Row).decode


def look(path: Path, catalogue: Catalogue, betas: tuple[str, ...]) -> Found:
    """Looks at every row of a file without problems. Call it in a thread. Raises BadInput if it can no longer be read.

    A row that may be longer than its model reads is kept to be counted, or is a problem if it surely is too long.
    """
    found = Found()
    lacking: dict[tuple[object, ...], list[Need]] = {}
    with opened(path) as source:
        found.unit = source.unit
        for numbered in source.rows:
            at, row = numbered.number, numbered.row
            params = _row(row).params
            model = catalogue.known.get(params.model)
            if model is None:
                continue
            where = f"{source.unit} {at}"
            _limits(found, model, params.model, params.max_tokens, betas, at, where)
            if any(word in row for word in _BLOCKS):
                lacks = list(_lacks(model, needs(msgspec.json.decode(row)["params"])))
            else:
                raws = (params.output_config, params.thinking, params.tools, params.context_management)
                key = (params.model, *(bytes(one) if isinstance(one, Raw) else b"" for one in raws))
                if key not in lacking:
                    lacking[key] = list(_lacks(model, needs(msgspec.json.decode(row)["params"])))
                lacks = lacking[key]
            for need in lacks:
                _cannot(found, params.model, need, at, where)
            if model.max_input_tokens and len(row) > model.max_input_tokens:
                _length(found, model, numbered, where)
    return found


def look_at(found: Found, where: str, params: dict[str, Any], catalogue: Catalogue, betas: tuple[str, ...]) -> None:
    """Adds what a later step asks of its model; its rows are not there yet."""
    model = catalogue.known.get(str(params.get("model")))
    if model:
        _limits(found, model, model.id, params["max_tokens"], betas, None, where)
        for need in _lacks(model, needs(params)):
            _cannot(found, model.id, need, None, where)


def too_long(name: str, tokens: int, model: Model | None, at: int, unit: str) -> Problem | None:
    """The problem of a row with so many tokens, if they are more than its model reads."""
    if not (model and model.max_input_tokens and tokens > model.max_input_tokens):
        return None
    message = f"It has {tokens:,} tokens; {inert_line(name, 60)} reads at most {model.max_input_tokens:,}."
    return Problem(at, "params.messages", message, "Shorten or split it.", "model", f"{unit} {at}")


def needs(params: dict[str, Any]) -> Iterator[Need]:
    """All that a request asks of its model."""
    request = Request(params, Rules())
    config, thinking = request.whole.member("output_config"), request.whole.member("thinking")
    if effort := config.text("effort"):
        yield Need(f"effort.{effort}", "params.output_config.effort", f"effort {quoted(effort)}")
    if config.value.get("format"):
        yield Need("structured_outputs", "params.output_config.format", "structured outputs")
    if thinking.type:
        yield Need(f"thinking.types.{thinking.type}", "params.thinking.type", f"thinking {quoted(thinking.type)}")
    for tool in request.tools:
        yield from _tool(tool)
    for block in request.blocks:
        yield from _block(block)
    for edit in request.whole.member("context_management").members("edits"):
        yield Need(f"context_management.{edit.type}", f"{edit.path}.type", quoted(edit.type))


def _tool(tool: Part) -> Iterator[Need]:
    if tool.value.get("strict") is True:
        yield Need("structured_outputs", f"{tool.path}.strict", "strict tools")
    for kind in ("web_search", "code_execution"):
        if tool.type.startswith(f"{kind}_"):
            yield Need(f"server_tools.{kind}", f"{tool.path}.type", f"the {kind.replace('_', ' ')} tool")
    if tool.type.startswith(_DYNAMIC) and tool.value.get("allowed_callers") != ["direct"]:
        yield Need("code_execution", f"{tool.path}.type", f'{tool.type} without "allowed_callers": ["direct"]')


def _block(block: Part) -> Iterator[Need]:
    source = block.member("source")
    if block.type == "image":
        yield Need("image_input", block.path, "images")
    if block.type == "document" and source.type in ("base64", "url"):
        yield Need("pdf_input", block.path, "PDFs")
    if block.member("citations").value.get("enabled") is True:
        yield Need("citations", f"{block.path}.citations", "citations")


def _lacks(model: Model, asked: Iterable[Need]) -> Iterator[Need]:
    return (need for need in asked if not model.can(need.ability))


def _cannot(found: Found, name: str, need: Need, at: int | None, where: str) -> None:
    message = f"{inert_line(name, 60)} does not take {need.words}."
    found.add(at, need.path, message, "Leave it out, or use a model that does.", where)


def _limits(
    found: Found, model: Model, name: str, asked: int, betas: tuple[str, ...], at: int | None, where: str
) -> None:
    beta, longer = EXTENDED_OUTPUT
    extended = any(one.startswith(beta) for one in betas)
    if model.max_tokens and asked > (max(model.max_tokens, longer) if extended else model.max_tokens):
        most = f"{inert_line(name, 60)} allows at most {model.max_tokens:,}"
        hint = "Set it to that at most."
        found.add(at, "params.max_tokens", f"params.max_tokens is {asked:,}, but {most}.", hint, where)


def _length(found: Found, model: Model, row: Numbered, where: str) -> None:
    tokens = round(token_guess.read(row.row).tokens)
    most = model.max_input_tokens or 0
    if tokens > most / _SURELY and len(found.long) < MOST_LONG:
        found.long.append(row)
    elif tokens > most * _SURELY:
        message = f"It has about {tokens:,} tokens; {inert_line(model.id, 60)} reads at most {most:,}."
        found.add(row.number, "params.messages", message, "Shorten or split it.", where)
