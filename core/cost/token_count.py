"""A few requests from all over a file, counted exactly by the API at no cost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from batchtui.core.api.http_errors import is_about_the_account, said_by
from batchtui.core.api.protocol import Api, Betas
from batchtui.core.batches.limits import MAX_BYTES
from batchtui.core.cost import token_guess
from batchtui.core.cost.models import decode
from batchtui.core.errors import ApiError, BadInput, NoKey
from batchtui.core.requests.problems import Unusable
from batchtui.core.text import inert_line

if TYPE_CHECKING:
    from batchtui.core.requests.input_rows import Numbered, OpenInput

PATH = "/v1/messages/count_tokens"
SAMPLE = 20
"""How many requests of a file are counted."""

_AT_ONCE = 5
_PLACE = re.compile(r"([a-z_]+(?:\.[a-z0-9_]+)*): (.+)", re.DOTALL)


class Refusal(Struct, frozen=True):
    """What the API itself says against a row, at a path if it names one."""

    line: int
    field: str
    message: str


class Sampled(Struct, frozen=True):
    """Exact counts of `counted` requests. Multiply a model's measured tokens by its entry in `factors`.

    `tokens` has the model and the count of each row by its line. `refused` are the rows that the API would not take.
    """

    counted: int = 0
    factors: dict[str, float] = {}
    notes: tuple[str, ...] = ()
    tokens: dict[int, tuple[str, int]] = {}
    refused: tuple[Refusal, ...] = ()


@contextmanager
def opened(path: Path) -> Iterator[OpenInput]:
    """The rows of a file that was already checked. Raises BadInput if it can no longer be read as such."""
    from batchtui.core.requests import input_rows

    try:
        with input_rows.opened(path, MAX_BYTES) as source:
            yield source
    except Unusable as error:
        raise BadInput(error.problem.message, error.problem.hint) from error
    except ValueError as error:
        raise BadInput("The file changed while it was being read.", "Check it again.") from error


def pick(path: Path, requests: int, most: int = SAMPLE) -> list[Numbered]:
    """Rows from all over a file with that many `requests`. Reads all of it; raises BadInput if it cannot."""
    wanted = {int((number + 0.5) * requests / min(most, requests)) for number in range(min(most, requests))}
    with opened(path) as source:
        return [row for number, row in enumerate(source.rows) if number in wanted]


class _Counted(Struct, omit_defaults=True):
    model: str
    messages: Raw
    cache_control: Raw | UnsetType = UNSET
    context_management: Raw | UnsetType = UNSET
    mcp_servers: Raw | UnsetType = UNSET
    output_config: Raw | UnsetType = UNSET
    system: Raw | UnsetType = UNSET
    thinking: Raw | UnsetType = UNSET
    tool_choice: Raw | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET


class _Row(Struct):
    custom_id: str
    params: _Counted


class _Answer(Struct):
    input_tokens: int


async def count(api: Api, picked: Sequence[Numbered], betas: Betas = ()) -> Sampled:
    """The API's exact counts of rows, at no cost. A row that it refuses is told; whatever else it says is a note."""
    gate = asyncio.Semaphore(_AT_ONCE)
    failed: list[str] = []
    refused: list[Refusal] = []
    given_up: list[str] = []

    async def one(row: Numbered) -> tuple[int, str, int, float] | None:
        request = msgspec.json.decode(row.row, type=_Row)
        async with gate:
            if given_up:
                return None
            try:
                answer = decode(await api.free(PATH, msgspec.json.encode(request.params), betas), _Answer)
            except NoKey as error:
                given_up.append(error.message)
                return None
            except ApiError as error:
                if error.status == 400 and error.by_api and not is_about_the_account(error.message):
                    refused.append(_refusal(row.number, error))
                else:  # the next row may be answered, unless nobody is there
                    (failed if error.status else given_up).append(error.message)
                return None
        return row.number, request.params.model, answer.input_tokens, token_guess.read(row.row).tokens

    exact: dict[str, int] = {}
    measured: dict[str, float] = {}
    counted = [found for found in await asyncio.gather(*map(one, picked)) if found]
    for _, model, true, guess in counted:
        exact[model] = exact.get(model, 0) + true
        measured[model] = measured.get(model, 0) + guess
    factors = {model: exact[model] / guess for model, guess in measured.items() if guess}
    return Sampled(
        len(counted),
        factors,
        tuple(f"Exact counts are not available: {said}" for said in [*given_up, *failed][:1]),
        {line: (model, true) for line, model, true, _ in counted},
        tuple(sorted(refused, key=lambda told: told.line)),
    )


def _refusal(line: int, error: ApiError) -> Refusal:
    """The place that the API names and what it says, out of `messages.0.content: ...`."""
    envelope = said_by(error.body) if error.body else None
    said = inert_line(envelope.message if envelope else error.message)
    found = _PLACE.match(said)
    if not found:
        return Refusal(line, "params", said)
    path = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", found[1])
    return Refusal(line, f"params.{path}", found[2])
