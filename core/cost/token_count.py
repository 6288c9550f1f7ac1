"""A few requests from all over a file, counted exactly by the API at no cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from batchtui.core.api.protocol import Api, Betas
from batchtui.core.batches.limits import MAX_BYTES
from batchtui.core.cost import token_guess
from batchtui.core.cost.models import decode
from batchtui.core.errors import ApiError, BadInput, NoKey
from batchtui.core.requests import input_rows
from batchtui.core.requests.problems import Unusable

PATH = "/v1/messages/count_tokens"
SAMPLE = 20
"""How many requests of a file are counted."""

_AT_ONCE = 5


class Sampled(Struct, frozen=True):
    """Exact counts of `counted` requests. Multiply a model's measured tokens by its entry in `factors`."""

    counted: int = 0
    factors: dict[str, float] = {}
    notes: tuple[str, ...] = ()


@contextmanager
def opened(path: Path) -> Iterator[input_rows.OpenInput]:
    """The rows of a file that was already checked. Raises BadInput if it can no longer be read as such."""
    try:
        with input_rows.opened(path, MAX_BYTES) as source:
            yield source
    except Unusable as error:
        raise BadInput(error.problem.message, error.problem.hint) from error
    except ValueError as error:
        raise BadInput("The file changed while it was being read.", "Check it again.") from error


def pick(path: Path, requests: int, most: int = SAMPLE) -> list[bytes]:
    """Rows from all over a file with that many `requests`. Reads all of it; raises BadInput if it cannot."""
    wanted = {int((number + 0.5) * requests / min(most, requests)) for number in range(min(most, requests))}
    with opened(path) as source:
        return [row for number, (_, row, _) in enumerate(source.rows) if number in wanted]


class _Counted(Struct, omit_defaults=True):
    model: str
    messages: Raw
    cache_control: Raw | UnsetType = UNSET
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


async def count(api: Api, picked: Sequence[bytes], betas: Betas = ()) -> Sampled:
    """The API's exact counts of rows, at no cost. What it cannot or will not count becomes a note."""
    gate = asyncio.Semaphore(_AT_ONCE)
    given_up: list[str] = []
    refused: list[str] = []

    async def one(row: bytes) -> tuple[str, int, float] | None:
        request = msgspec.json.decode(row, type=_Row)
        async with gate:
            if given_up:
                return None
            try:
                answer = decode(await api.free(PATH, msgspec.json.encode(request.params), betas), _Answer)
            except (ApiError, NoKey) as error:
                if isinstance(error, ApiError) and error.status == 400:
                    refused.append(f"The API would refuse {request.custom_id}: {error.message}")
                else:
                    given_up.append(f"Exact counts are not available: {error.message}")
                return None
        return request.params.model, answer.input_tokens, token_guess.read(row).tokens

    exact: dict[str, int] = {}
    measured: dict[str, float] = {}
    counted = [found for found in await asyncio.gather(*map(one, picked)) if found]
    for model, true, guess in counted:
        exact[model] = exact.get(model, 0) + true
        measured[model] = measured.get(model, 0) + guess
    factors = {model: exact[model] / guess for model, guess in measured.items() if guess}
    return Sampled(len(counted), factors, (*given_up[:1], *refused[:3]))
