"""`batchtui service`: a systemd user service or a launchd agent that looks after the batches."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec.structs import asdict

from batchtui.core import errors
from batchtui.core.errors import BatchtuiError, NotAllowed, ServiceFailed
from batchtui.core.programs import without_keys
from batchtui.core.text import ago, inert, inert_line
from batchtui.tui.cli.command_desk import as_json, desk_for
from batchtui.tui.cli.report import dumps, error_json, poller_json
from batchtui.tui.cli.service_records import ServiceRecord, ServiceRemoved, ServiceStatus, ServiceUnasked, installed
from batchtui.tui.cli.terminal import Count, FilePath, agree, complain, out, say, wait_for

if TYPE_CHECKING:
    from datetime import datetime

    from batchtui.core.desk.desk import Desk
    from batchtui.core.desk.service_desk import Proposal, ServiceDesk, Status
    from batchtui.core.state.poller import Poller

F = TypeVar("F", bound=Callable[..., Any])


def _kind(command: F) -> F:
    """Which manager; by default the platform's own."""
    launchd = click.option("--launchd", "kind", flag_value="launchd", help="A launchd agent, whatever the platform.")
    systemd = click.option("--systemd", "kind", flag_value="systemd", help="A systemd unit, whatever the platform.")
    return systemd(launchd(command))


@click.group(short_help="Run in the background: install, uninstall, status, logs.")
def service() -> None:
    """Keep looking after your batches in the background, also after you log in again: a systemd user service on Linux,
    a launchd agent on macOS. Neither needs root."""


@service.command()
@click.option("--print", "only_print", is_flag=True, help="Print the service file to stdout and do nothing else.")
@click.option("--timer", is_flag=True, help="Run --once every five minutes in place of one process that stays.")
@click.option(
    "--write",
    "writes",
    multiple=True,
    type=FilePath(),
    metavar="FOLDER",
    help="Let it write to this folder and its own ones alone; repeatable. Otherwise, wherever you can.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@_kind
@as_json
def install(
    *, only_print: bool, timer: bool, writes: tuple[Path, ...], yes: bool, kind: str | None, as_json: bool
) -> int:
    """Write the service file, after showing it, and start the service. A file that you edited is never replaced."""
    return wait_for(_install(kind, timer=timer, writes=writes, only_print=only_print, yes=yes, json=as_json))


async def _install(
    kind: str | None, *, timer: bool, writes: tuple[Path, ...], only_print: bool, yes: bool, json: bool
) -> int:
    async with desk_for("batchtui service install", logged=False) as desk:
        service = desk.service(kind)
        try:
            proposal = await service.propose(timer=timer, writes=writes)
            if only_print:
                return _print(service, proposal, json=json)
            service.check(proposal)
            if not json:
                _show(proposal)
            _ask(f"Install {_names(proposal)}{' and start it' if proposal.reached else ''}?", yes=yes)
            done = await service.install(proposal)
        except BatchtuiError as error:
            return _failed(error, json=json)
        wrong: list[BatchtuiError] = []
        if not done.started:
            then = "; ".join(done.remaining)
            wrong.append(ServiceFailed(f"No {service.manager} answers here, so the service is not started.", then))
        if json:
            out(dumps(installed(service, proposal, wrong, started=done.started, remaining=done.remaining)))
        else:
            for path in done.files:
                out(inert_line(str(path), 4000))
        for one in wrong:
            complain(one)
        if done.started:
            say("It runs. batchtui service status | logs | uninstall")
        return wrong[0].exit_code if wrong else errors.OK


def _print(service: ServiceDesk, proposal: Proposal, *, json: bool) -> int:
    """Prints the files alone: one as it is, several each under its path."""
    if json:
        missing = proposal.key.missing
        out(dumps(installed(service, proposal, [missing] if missing else [])))
        return errors.OK
    for file in proposal.files:
        if len(proposal.files) > 1:
            out(f"# {inert_line(str(file.path), 4000)}")
        out(inert(file.text.removesuffix("\n")))  # with its line end it is the file, byte for byte
    _say_key(proposal)
    return errors.OK


def _show(proposal: Proposal) -> None:
    """Shows each file, or how it changes, and what to know before agreeing."""
    from batchtui.core.desk.service_desk import changes_of

    for file, changed in changes_of(proposal):
        say(f"{inert_line(str(file.path), 4000)}{':' if changed else ' stays as it is.'}\n")
        say("".join(f"    {line}\n" for line in changed.splitlines()))
    _say_key(proposal)


def _say_key(proposal: Proposal) -> None:
    if proposal.key.missing:
        complain(proposal.key.missing)
    else:
        handed = ", handed over by systemd as a credential" if proposal.key.file and proposal.hands_over else ""
        say(f"The key: {inert_line(proposal.key.source, 4000)}{handed}.")
    for note in proposal.notes:
        say(inert_line(note, 1000))


def _names(proposal: Proposal) -> str:
    return " and ".join(one.path.name for one in proposal.files)


@service.command()
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@_kind
@as_json
def uninstall(*, yes: bool, kind: str | None, as_json: bool) -> int:
    """Stop the service and remove its files. Batches and results stay, and so does a file that you edited."""
    return wait_for(_uninstall(kind, yes=yes, json=as_json))


async def _uninstall(kind: str | None, *, yes: bool, json: bool) -> int:
    async with desk_for("batchtui service uninstall", logged=False) as desk:
        service = desk.service(kind)
        try:
            if (await service.status()).installed:
                _ask("Stop the service and remove it?", yes=yes)
            removed = await service.uninstall()
        except BatchtuiError as error:
            return _failed(error, json=json)
        if json:
            out(dumps(ServiceRemoved(manager=service.manager, removed=[str(one) for one in removed], errors=[])))
        for path in removed:
            say(f"Removed {inert_line(str(path), 4000)}.")
        if not removed:
            say("No service is installed.")
        return errors.OK


@service.command()
@_kind
@as_json
def status(*, kind: str | None, as_json: bool) -> int:
    """Say whether the service runs, and which process polls. Exit code 0 if it runs, else 1."""
    return wait_for(_status(kind, json=as_json))


async def _status(kind: str | None, *, json: bool) -> int:
    async with desk_for("batchtui service status", logged=False) as desk:
        try:
            said = await desk.service(kind).status()
            poller = await desk.poller()
        except BatchtuiError as error:
            return _failed(error, json=json)
        wrong = _wrong(said)
        if json:
            out(
                dumps(
                    ServiceStatus(
                        manager=said.manager,
                        reached=said.reached,
                        installed=said.installed,
                        files={path: standing.value for path, standing in said.files.items()},
                        service=ServiceRecord(**asdict(said.service)),
                        polled_by=poller_json(poller) if poller else None,
                        errors=[error_json(one) for one in wrong],
                    )
                )
            )
        else:
            _tell(said, poller, desk.clock())
        for one in wrong:
            complain(one)
        return wrong[0].exit_code if wrong else errors.OK


def _wrong(said: Status) -> list[BatchtuiError]:
    if not said.installed:
        return [ServiceFailed("No service is installed.", "batchtui service install")]
    if not said.reached:
        return [ServiceFailed(f"No {said.manager} answers here.", "Ask in a session of the user that it belongs to.")]
    if "auto-restart" in said.service.state:
        return [ServiceFailed("The service failed and is started again within a minute.", "batchtui service logs")]
    if not said.service.active:
        return [ServiceFailed("The service does not run.", "batchtui service logs says why; install starts it again.")]
    return []


def _tell(said: Status, poller: Poller | None, now: datetime) -> None:
    found = said.service
    if said.installed and said.reached:
        parts = [found.state or "not loaded", "enabled" if found.enabled else "not enabled"]
        parts += [f"pid {found.pid}"] if found.pid else []
        parts += [f"since {found.since}"] if found.since else []
        parts += [f"next run {found.next_run}"] if found.next_run else []
        parts += [f"last exit code {found.exit_code}"] if found.exit_code is not None else []
        parts += [f"{found.restarts} restarts"] if found.restarts else []
        out(f"service  {inert_line(', '.join(parts))}")
    for path, standing in said.files.items():
        if standing.value != "absent":
            out(f"file     {inert_line(path, 4000)}{'' if standing.value == 'ours' else f' ({standing.value})'}")
    if poller is None:
        out("polling  no process")
        return
    looked = f", looked {ago(now - poller.looked_at)}" if poller.looked_at else ", has not looked yet"
    failing = f", failing: {inert_line(poller.failing)}" if poller.failing else ""
    out(f"polling  {inert_line(poller.words())}{looked}{failing}")


@service.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("-n", "--lines", type=Count(0, 1_000_000), default=50, show_default=True, metavar="N")
@_kind
def logs(*, follow: bool, lines: int, kind: str | None) -> int:
    """Show what the service wrote to its output. What it did is in the log: batchtui logs."""
    return wait_for(_logs(kind, lines, follow=follow))


async def _logs(kind: str | None, lines: int, *, follow: bool) -> int:
    async with desk_for("batchtui service logs", logged=False) as desk:
        command = desk.service(kind).logs(lines, follow=follow)
        say(f"What it did is in {inert_line(str(desk.paths.log_file), 4000)}. Its output:")
        return await _passed_on(command, desk)


async def _passed_on(command: list[str], desk: Desk) -> int:
    """Runs a program and prints its output, made inert."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
            env=without_keys(os.environ, desk.settings.secret_variables),
        )
    except OSError as error:
        failed = ServiceFailed(f"{command[0]} cannot be run: {error.strerror}.", f"Read {desk.paths.log_file}")
        return _failed(failed, json=False)
    assert process.stdout
    try:
        async for line in process.stdout:
            out(inert_line(line.decode(errors="replace"), 4000))
        return errors.FAILED if await process.wait() else errors.OK
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _ask(question: str, *, yes: bool) -> None:
    """Continues only if the user agrees. Without a terminal to ask on, --yes is required."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotAllowed("Cannot ask for confirmation without a terminal.", "Add --yes.")
    if not agree(question):
        raise click.Abort


def _failed(error: BatchtuiError, *, json: bool) -> int:
    if json:
        out(dumps(ServiceUnasked(errors=[error_json(error)])))
    complain(error)
    return error.exit_code
