"""Answers the API's calls, given the caller and what was sent."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct
from starlette.datastructures import Headers

from batchtui.core.batches.remote import ProcessingStatus
from batchtui.core.requests.sdk_names import betas as known_betas
from batchtui.core.settings import API_VERSION, OLDER_VERSION
from batchtui.core.simulator.answers import answer_to
from batchtui.core.simulator.calls import CallLog
from batchtui.core.simulator.catalogue import listed, model
from batchtui.core.simulator.chances import failing, settle
from batchtui.core.simulator.faults import Call, Faults, Hit
from batchtui.core.simulator.judge import Judge
from batchtui.core.simulator.life import archived_at, cancel, describe, status
from batchtui.core.simulator.rules import Refused, invalid, read_count, read_create, read_limit, read_message
from batchtui.core.simulator.world import SimulatedRequest, SimulatorSettings, Stored, World

KEY_START = "sk-ant-"
REFUSED_KEY_START = "sk-ant-refused"
"""Keys with this prefix are answered with 401."""

VERSIONS = frozenset({"2023-01-01", OLDER_VERSION, API_VERSION})
"""https://platform.claude.com/docs/en/api/versioning"""

_OTHER_BETAS = frozenset({"oauth-2025-04-20"})
"""Sent by the SDK, though it does not list it."""

_CONSULT = "Please consult our documentation at platform.claude.com/docs or try again without the header."


class Simulator:
    """Everything that one running simulator holds. `clock` returns timezone-aware datetimes."""

    def __init__(self, settings: SimulatorSettings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.initial = settings
        self.clock = clock
        self.world = World(settings)
        self.faults = Faults()
        self.log = CallLog()

    def now(self) -> datetime:
        return self.clock() + timedelta(seconds=self.world.settings.clock_offset)

    def reset(self) -> None:
        """Returns to the initial state: no batches, no calls, no faults, and the settings it was started with."""
        self.world = World(self.initial)
        self.faults.clear()
        self.log.clear()


class Asked(Struct, frozen=True):
    """One parsed call: who asks, at which base URL, for what. `body` is None if it was too big."""

    workspace: str
    judge: Judge
    base_url: str
    batch_id: str | None
    query: Mapping[str, str]
    body: bytearray | None
    hit: Hit


class Given(Struct, frozen=True):
    """What to answer: JSON, or the results of `results_of`. `made` is the batch that a create made."""

    body: bytes = b""
    status: int = 200
    results_of: Stored | None = None
    made: Stored | None = None


def workspace_of(key: str) -> str:
    """The workspace of a key; each key has its own."""
    return f"wrkspc_{hashlib.sha256(key.encode()).hexdigest()[:20]}"


def admitted(headers: Headers, now: datetime) -> tuple[str, Judge]:
    """The workspace of a call, and who judges its requests: by its anthropic-version and its betas.

    Raises:
        Refused: the key is missing or unknown, the version is missing or there is none such, or a beta is unknown.
    """
    key = headers.get("x-api-key")
    if key is None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, "authentication_error", "x-api-key header is required")
    if not key.startswith(KEY_START) or key.startswith(REFUSED_KEY_START):
        raise Refused(401, "authentication_error", "invalid x-api-key")
    version = headers.get("anthropic-version", "")
    if not version:
        raise invalid("anthropic-version: header is required")
    if version not in VERSIONS:
        raise invalid(f'anthropic-version: "{version}" is not a valid version.')
    betas = [name.strip() for line in headers.getlist("anthropic-beta") for name in line.split(",") if name.strip()]
    if unknown := [name for name in betas if name not in known_betas() and name not in _OTHER_BETAS]:
        told = ", ".join(f"`{name}`" for name in unknown)
        raise invalid(f"Unexpected value(s) {told} for the `anthropic-beta` header. {_CONSULT}")
    return workspace_of(key), Judge(now, version, betas)


async def answer(simulator: Simulator, call: Call, asked: Asked) -> Given:
    """Does what the call asks. Canceling an ended batch gives 400 here; the API's documentation leaves it open.

    Raises:
        Refused: the API would return an error.
    """
    world, now = simulator.world, simulator.now()
    if call in ("create", "message", "count") and asked.body is None:
        raise Refused(413, "request_too_large", "Request exceeds the maximum size")
    body = asked.body or bytearray()
    if call == "create":
        rows, bad_luck = await asyncio.to_thread(_read, body, asked.judge, world)
        made = world.add(asked.workspace, rows, simulator.now())
        settle(world, made, bad_luck, simulator.now())
        return Given(_json(made, simulator.now(), asked), made=made)
    if call == "message":
        row = await asyncio.to_thread(read_message, body, asked.judge)
        return Given(answer_to(row, world.settings))
    if call == "models":
        return Given(model(asked.batch_id, now) if asked.batch_id else listed(asked.query, now))
    if call == "count":
        tokens = await asyncio.to_thread(read_count, body, asked.judge)
        return Given(msgspec.json.encode({"input_tokens": tokens}))
    if call == "list":
        return Given(_page(world, now, asked))
    batch = world.get(asked.batch_id or "", asked.workspace)
    if batch is None:
        raise Refused(404, "not_found_error", f"Message Batch {asked.batch_id} not found.")
    match call:
        case "get":
            return Given(_json(batch, now, asked))
        case "cancel":
            if status(batch, now) is ProcessingStatus.ENDED:
                raise invalid(f"Message Batch {batch.id} cannot be canceled: its processing has ended.")
            cancel(batch, now)
            return Given(_json(batch, now, asked))
        case "delete":
            if status(batch, now) is not ProcessingStatus.ENDED:
                raise invalid(f"Message Batch {batch.id} cannot be deleted before its processing has ended.")
            world.remove(batch)
            return Given(msgspec.json.encode({"id": batch.id, "type": "message_batch_deleted"}))
        case "results":
            if status(batch, now) is not ProcessingStatus.ENDED:
                raise Refused(404, "not_found_error", f"Message Batch {batch.id} has no available results.")
            if archived_at(batch, now):
                raise Refused(404, "not_found_error", f"The results of Message Batch {batch.id} are archived.")
            return Given(results_of=batch)


def _read(body: bytearray, judge: Judge, world: World) -> tuple[tuple[SimulatedRequest, ...], list[SimulatedRequest]]:
    rows = read_create(body, judge)
    return rows, failing(rows, world.settings, world.told)


def _page(world: World, now: datetime, asked: Asked) -> bytes:
    limit = read_limit(asked.query)
    page = world.page(
        asked.workspace,
        limit,
        after=_cursor(world, asked, "after_id"),
        before=_cursor(world, asked, "before_id"),
        until=now - timedelta(seconds=asked.hit.hidden_seconds) if asked.hit.hidden_seconds else None,
    )
    data = b",".join(_json(batch, now, asked) for batch in page.batches)
    first, last = (page.batches[0].id, page.batches[-1].id) if page.batches else (None, None)
    return b'{"data":[%b],"has_more":%b,"first_id":%b,"last_id":%b}' % (
        data,
        *(msgspec.json.encode(value) for value in (page.has_more, first, last)),
    )


def _cursor(world: World, asked: Asked, name: str) -> Stored | None:
    if name not in asked.query:
        return None
    batch = world.get(asked.query[name], asked.workspace)
    if batch is None:
        raise invalid(f"{name}: no Message Batch {asked.query[name]}")
    return batch


def _json(batch: Stored, now: datetime, asked: Asked) -> bytes:
    """The API's batch object as JSON, with the values that a fault changes."""
    told, hit = describe(batch, now, asked.base_url), asked.hit
    if hit.counts:
        told = msgspec.structs.replace(told, request_counts=told.request_counts | hit.counts)
    if hit.results_url and told.results_url:
        told = msgspec.structs.replace(told, results_url=hit.results_url.replace("{id}", batch.id))
    return msgspec.json.encode(told)
