"""What `batchtui service ... --json` prints, as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from batchtui.core.errors import BatchtuiError
from batchtui.tui.cli.records import ErrorRecord, PollerRecord, Printed, Record
from batchtui.tui.cli.report import error_json

if TYPE_CHECKING:
    from batchtui.core.desk.service_desk import Proposal, ServiceDesk


class ServiceFileRecord(Record, frozen=True, kw_only=True):
    """A file of the service, with its whole text."""

    path: str
    text: str


class ServiceInstalled(Printed, frozen=True, kw_only=True):
    """What was installed, or would be. `key` is where the service finds the key, null if nowhere. `remaining` are the
    commands still to be run."""

    manager: str
    files: list[ServiceFileRecord]
    key: str | None
    namespaces: bool
    notes: list[str]
    started: bool
    remaining: list[str]
    errors: list[ErrorRecord]


class ServiceRemoved(Printed, frozen=True, kw_only=True):
    """The files that were removed."""

    manager: str
    removed: list[str]
    errors: list[ErrorRecord]


class ServiceRecord(Record, frozen=True, kw_only=True):
    """What the manager says of the service. Times are as the manager writes them; empty and null mean "not known"."""

    enabled: bool
    active: bool
    state: str
    pid: int | None
    since: str
    restarts: int | None
    exit_code: int | None
    next_run: str


class ServiceStatus(Printed, frozen=True, kw_only=True):
    """Whether the service runs. `reached`: whether a manager answered. `files` says of each whether it is absent, ours,
    edited or foreign."""

    manager: str
    reached: bool
    installed: bool
    files: dict[str, str]
    service: ServiceRecord
    polled_by: PollerRecord | None
    errors: list[ErrorRecord]


class ServiceUnasked(Printed, frozen=True, kw_only=True):
    """Why nothing was done."""

    errors: list[ErrorRecord]


def installed(
    service: ServiceDesk,
    proposal: Proposal,
    wrong: Sequence[BatchtuiError],
    *,
    started: bool = False,
    remaining: Sequence[str] = (),
) -> ServiceInstalled:
    """What an installation did, or would do."""
    return ServiceInstalled(
        manager=service.manager,
        files=[ServiceFileRecord(path=str(one.path), text=one.text) for one in proposal.files],
        key=proposal.key.source or None,
        namespaces=proposal.wanted.namespaces,
        notes=proposal.notes,
        started=started,
        remaining=list(remaining),
        errors=[error_json(one) for one in wrong],
    )
