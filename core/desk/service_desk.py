"""Installs, removes and describes the service that looks after the batches of one state."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from batchtui.core.batches.batch import Output, Snapshot
from batchtui.core.errors import BadInput, BatchtuiError, NotAllowed
from batchtui.core.files import private_folder
from batchtui.core.jobs.late_answers import read_job_of
from batchtui.core.paths import Paths, is_folder
from batchtui.core.programs import without_keys
from batchtui.core.service import service_file
from batchtui.core.service.launchd_manager import Launchd
from batchtui.core.service.manager import Manager, Service, home_of, run, run_all
from batchtui.core.service.reach import out_of_reach
from batchtui.core.service.service_file import ServiceFile, Standing
from batchtui.core.service.service_key import ServiceKey, key_for_service
from batchtui.core.service.systemd_manager import Systemd
from batchtui.core.service.wanted import Wanted, kept
from batchtui.core.settings import Settings, read_settings
from batchtui.core.text import inert_line, plural

_ISOLATED = ("-I", "-P")
"""Ways to start Python so that no folder is searched for modules before our own; the second one sees `pip --user`."""


class Proposal(Struct, frozen=True, kw_only=True):
    """What an installation would do. With `reached` false, no manager can be asked to start it."""

    wanted: Wanted
    files: list[ServiceFile]
    key: ServiceKey
    reached: bool
    notes: list[str]

    @property
    def hands_over(self) -> bool:
        """Whether the manager hands the key file over as a credential."""
        return any("LoadCredential=" in one.text for one in self.files)


class Installed(Struct, frozen=True, kw_only=True):
    """The files that are there now, and whether the service runs. `remaining` are the commands still to be run."""

    files: list[Path]
    started: bool
    remaining: list[str]


class Status(Struct, frozen=True, kw_only=True):
    """What the manager says, and what stands in each of its files. `reached`: whether a manager answered."""

    manager: str
    reached: bool
    files: dict[str, Standing]
    service: Service

    @property
    def installed(self) -> bool:
        return any(one is not Standing.ABSENT for one in self.files.values())


def changes_of(proposal: Proposal) -> list[tuple[ServiceFile, str]]:
    """Each file, and its text if it is new, else how it would change: empty if not at all."""
    there = [(one, one.path.exists()) for one in proposal.files]
    return [(one, service_file.changes(one) if exists else one.text) for one, exists in there]


def manager_for(kind: str | None, paths: Paths, environment: Mapping[str, str]) -> Manager:
    """The manager of a kind, by default of this platform."""
    if (kind or ("launchd" if sys.platform == "darwin" else "systemd")) == "systemd":
        return Systemd(environment)
    with suppress(BatchtuiError):
        return Launchd(environment, paths.log, (read_settings(paths.settings).key_variable, "ANTHROPIC_AUTH_TOKEN"))
    return Launchd(environment, paths.log, ())


class ServiceDesk:
    """What `Desk.service` returns. Each method may ask the manager, and takes as long as that does."""

    def __init__(
        self,
        paths: Paths,
        settings: Settings,
        snapshot: Callable[[], Awaitable[Snapshot]],
        manager: Manager,
        environment: Mapping[str, str],
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._snapshot = snapshot
        self._manager = manager
        self._environment = environment
        self._bare = without_keys(environment, settings.secret_variables)

    @property
    def manager(self) -> str:
        """`systemd` or `launchd`."""
        return self._manager.name

    async def propose(self, *, timer: bool = False, writes: Sequence[Path] = ()) -> Proposal:
        """What installing the service would do. Nothing is changed.

        Raises:
            BadInput: a folder or variable cannot be part of it, or the service could not write where an output goes.
            NotAllowed: it would be another user's.
        """
        snapshot = await self._snapshot()
        return await asyncio.to_thread(self._propose, snapshot, timer, writes)

    def _propose(self, snapshot: Snapshot, timer: bool, writes: Sequence[Path]) -> Proposal:
        if os.geteuid() == 0 and self._environment.get("SUDO_USER"):
            raise NotAllowed("The service is yours, not root's.", "Run the command without sudo.")
        if writes and not self._manager.sandboxes:
            raise BadInput("launchd cannot limit what a service writes.", "Leave out --write.")
        environment, notes = kept(self._environment, self._paths)
        services = self._manager.environment()
        home = home_of(self._environment)
        seen = {**(services or {}), **environment, "HOME": str(home)}
        key = key_for_service(self._settings, seen, home, self._paths.key_file, self._environment)
        wanted = Wanted(
            program=_program(self._bare),
            environment=environment,
            home=home,
            folders=tuple(dict.fromkeys((self._paths.data, self._paths.config, self._paths.log))),
            log=self._paths.log,
            umask=_umask(),
            key_file=key.file,
            writes=tuple(_folder(one) for one in writes),
            timer=timer,
            namespaces=self._manager.namespaces(),
        )
        if self._manager.sandboxes and not wanted.namespaces:
            notes.append(
                "Users can make no namespaces on this machine, so the service runs with less hardening than elsewhere."
            )
            if writes:
                raise BadInput("Without namespaces, nothing can limit what the service writes.", "Leave out --write.")
        self._refuse_unreachable(snapshot, wanted)
        if "keyring" in key.source and self._manager.name == "systemd":
            notes.append("A keyring is open only while you are logged in; for a machine without a login, use a file.")
        if "/uv/archive-v" in sys.prefix:
            notes.append("This batchtui runs from the cache of uv, which may be emptied: uv tool install batchtui")
        notes += self._manager.notes()
        files = self._manager.files(wanted)
        return Proposal(wanted=wanted, files=files, key=key, reached=services is not None, notes=notes)

    def _refuse_unreachable(self, snapshot: Snapshot, wanted: Wanted) -> None:
        """Raises BadInput if an output of a known submission, or of a later step of its job, could not be written."""
        if not self._manager.sandboxes:
            return
        outputs: list[Output] = [one for batch in snapshot.batches for one in batch.outputs]
        for one in snapshot.submissions.values():
            outputs += one.outputs
            with suppress(BatchtuiError):  # no job, or one that cannot be read
                job = read_job_of(self._paths, one.ref, one.name)
                outputs += [output for step in job.steps for output in step.outputs]
        if lost := out_of_reach(outputs, wanted):
            more = f" and {plural(len(lost) - 1, 'more folder')}" if len(lost) > 1 else ""
            raise BadInput(
                f"The service could not write to {inert_line(str(lost[0]))}{more}, where answers of yours go.",
                f"Add {' '.join(f'--write {one}' for one in lost[:5])}",
            )

    async def install(self, proposal: Proposal) -> Installed:
        """Writes the files, and starts the service if its manager can be asked.

        Raises:
            NoKey: the service would find no key.
            NotAllowed: one of its files was edited, or is somebody else's.
            ServiceFailed: the files are there, but the manager did not start the service.
        """
        return await asyncio.to_thread(self._install, proposal)

    def check(self, proposal: Proposal) -> None:
        """Raises what `install` would, before anything is done."""
        if proposal.key.missing:
            raise proposal.key.missing
        for place in self._manager.places():
            service_file.refuse_what_is_not_ours(place, "replaced")

    def _install(self, proposal: Proposal) -> Installed:
        self.check(proposal)
        for folder in proposal.wanted.folders:
            private_folder(folder)
        written = [one.path for one in proposal.files]
        there = [one for one in self._manager.places() if one.exists()]
        if there and proposal.reached:  # a timer may take the place of a process that stays, or the other way round
            run_all(self._manager.stop_commands(), self._bare)
        for path in there:
            if path not in written:
                service_file.remove(path)
        for file in proposal.files:
            service_file.write(file)
        begin = self._manager.start_commands(timer=proposal.wanted.timer)
        if proposal.reached:
            run_all(begin, self._bare)
            return Installed(files=written, started=True, remaining=[])
        return Installed(files=written, started=False, remaining=[" ".join(one) for one in begin])

    async def uninstall(self) -> list[Path]:
        """Stops the service and removes its files; the paths of what was there.

        Raises:
            NotAllowed: one of its files was edited, or is somebody else's: nothing is done.
            ServiceFailed: it could not be stopped; its files are still there.
        """
        return await asyncio.to_thread(self._uninstall)

    def _uninstall(self) -> list[Path]:
        for place in self._manager.places():
            if service_file.standing(place) in (Standing.EDITED, Standing.FOREIGN):
                end = [shlex.join(one) for one in [*self._manager.stop_commands(), ["rm", str(place)]]]
                hint = f"If it is of no more use, stop it and remove it: {'; '.join(end)}"
                service_file.refuse_what_is_not_ours(place, "removed", hint)
        if not any(one.exists() for one in self._manager.places()):
            return []
        reached = self._manager.environment() is not None
        if reached:
            run_all(self._manager.stop_commands(), self._bare)
        removed = [one for one in self._manager.places() if service_file.remove(one)]
        if reached:
            run_all(self._manager.after_removal(), self._bare)
        return removed

    async def status(self) -> Status:
        """What the manager says of the service, and whether its files are as they were written."""
        return await asyncio.to_thread(self._status)

    def _status(self) -> Status:
        files = {str(one): service_file.standing(one) for one in self._manager.places()}
        reached = self._manager.environment() is not None
        service = self._manager.status() if reached else Service()
        return Status(manager=self._manager.name, reached=reached, files=files, service=service)

    def logs(self, lines: int, *, follow: bool) -> list[str]:
        """The command that shows what the service wrote to stdout and stderr."""
        return self._manager.logs(lines, follow=follow)


def _folder(path: Path) -> Path:
    full = Path(os.path.realpath(path))
    if not is_folder(full) or any(ord(one) < 32 for one in str(full)):
        raise BadInput(f"{inert_line(str(path))} is not a folder.", "Make it first; --write takes folders.")
    return full


def _umask() -> int:
    """The permissions that this process does not give to new files."""
    now = os.umask(0o077)
    os.umask(now)
    return now


def _program(environment: Mapping[str, str]) -> tuple[str, ...]:
    """How the service starts this very batchtui. Raises BadInput if it could not."""
    python = os.path.abspath(sys.executable)  # noqa: PTH100 - the link of a virtual environment must not be followed
    bare = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
    for flag in _ISOLATED:
        if run([python, flag, "-c", "import batchtui.tui"], bare).code == 0:
            return python, flag, "-m", "batchtui.tui"
    hint = "Install batchtui with pipx, uv tool or pip, and use that one."
    raise BadInput(f"{python} finds batchtui only with the PYTHONPATH of this shell, which a service has not.", hint)
