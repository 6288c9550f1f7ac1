"""The app: connects the screens, the loops and the desk, and shows messages to the user."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from datetime import datetime

from textual import on, work
from textual.binding import Binding
from textual.command import Provider
from textual.dom import DOMNode
from textual.timer import Timer

from batchtui.core.batches.batch import Snapshot
from batchtui.core.clock import utc_now
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError
from batchtui.core.logs import log
from batchtui.tui.attention import one_by_one
from batchtui.tui.keymap import faults
from batchtui.tui.messages import BatchesChanged, Called, Pulse, PulseChanged, Reported, TaskEnded, TaskStarted
from batchtui.tui.safe_app import SafeApp
from batchtui.tui.screens.acting import Room
from batchtui.tui.screens.batches import BatchesScreen
from batchtui.tui.screens.confirm import ConfirmScreen
from batchtui.tui.screens.help import HelpScreen
from batchtui.tui.screens.log import LogScreen
from batchtui.tui.screens.setup import SetupScreen
from batchtui.tui.screens.trouble import TroubleScreen
from batchtui.tui.session import Session
from batchtui.tui.sync import Sync, has_key
from batchtui.tui.tasks import Kind
from batchtui.tui.theme import DARK
from batchtui.tui.voice import Voice


def _palette() -> type[Provider]:
    from batchtui.tui.palette import Palette

    return Palette


class BatchtuiApp(SafeApp):
    """Shows the state that `desk` reads, keeps it current, and polls the API if no other process does."""

    TITLE = "batchtui"
    CSS_PATH = "app.tcss"
    COMMANDS = {_palette}  # noqa: RUF012
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (40, "-narrow"), (80, "-normal"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (10, "-low"), (22, "-tall"), (36, "-high")]  # noqa: RUF012
    NOTIFICATION_TIMEOUT = 5

    def __init__(self, desk: Desk, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(desk.paths.log_file, plain=desk.settings.ascii)
        self.session = Session(desk, clock, self.post_message)
        self.sync = Sync(desk, clock, self.post_message, self.session.tasks)
        settings = desk.settings
        self.voice = Voice(self.to_terminal, os.environ, on=settings.desktop_notices, ascii=settings.ascii)
        self._title_stays: Timer | None = None
        self._first: asyncio.Future[tuple[Snapshot, bool]] | None = None
        self._clashes: set[str] = set()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.set_keymap(desk.settings.keys)

    def on_load(self) -> None:
        """Reads the state while the terminal is being set up."""
        desk = self.session.desk
        self._first = asyncio.gather(desk.snapshot(), has_key(desk))

    def on_mount(self) -> None:
        """Sets the user's theme, and starts once Textual paints: what is drawn during the mount is thrown away."""
        wanted = self.session.desk.settings.theme
        if wanted in self.available_themes:
            self.theme = wanted
        self.set_timer(_SETTLED, _collect)
        self.call_later(self._enter)

    async def _enter(self) -> None:
        """Paints the saved state first, and starts slower work after that."""
        assert self._first is not None
        try:
            self.session.snapshot, key = await self._first
        except BatchtuiError as error:
            log.error("start: %s", error.message)
            await self.push_screen(TroubleScreen(error))
            return
        self.session.pulse = self.sync.pulse = Pulse(key=key)
        screen = BatchesScreen(self.session)
        screen.set_classes(self.screen.classes)  # the breakpoint classes, so that it is laid out only once
        await self.push_screen(screen)
        for fault, hint in faults(self.session.desk.settings.keys):
            self.session.say(fault, hint, bad=True)
        if not self.session.key:
            await self.push_screen(SetupScreen(self.session.desk.settings.key_variable))
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.run_worker(_warm, thread=True, group="warm")
        self._say_running()
        self.voice.begin()
        self._watch()
        self._poll()

    @work(group="watch", exit_on_error=False)
    async def _watch(self) -> None:
        await self.sync.watch(self.session.snapshot)

    @work(group="poll", exit_on_error=False)
    async def _poll(self) -> None:
        await self.sync.poll()

    def complain(self, error: BatchtuiError) -> None:
        """Shows what went wrong and what to do, and adds it to the activity log."""
        self.session.note(error.message, error.hint, bad=True)
        self.say(f"{error.message} {error.hint}".rstrip(), bad=True)

    @on(BatchesChanged)
    def _batches_changed(self, message: BatchesChanged) -> None:
        self.session.snapshot = message.snapshot
        for room in self._rooms():
            room.changed()
        self._say_running()

    def _say_running(self) -> None:
        for room in self._rooms():
            if type(room) is BatchesScreen:
                self.voice.running(room.running)

    @on(Called)
    def _called(self, message: Called) -> None:
        for one in one_by_one(message.calls):
            self.say(f"{one.text} {one.hint}".rstrip(), bad=one.bad)
        self.voice.call(message.calls, focused=self.app_focus)
        if self._title_stays:
            self._title_stays.stop()
        self._title_stays = self.set_timer(_TITLE_STAYS, self.voice.seen) if self.app_focus else None

    def watch_app_focus(self, focus: bool) -> None:
        """The title goes on once the person is back."""
        if focus:
            self.voice.seen()

    @on(PulseChanged)
    def _pulse_changed(self, message: PulseChanged) -> None:
        self.session.pulse = message.pulse
        for room in self._rooms():
            room.pulsed()

    @on(TaskStarted)
    def _task_started(self, message: TaskStarted) -> None:
        self.session.note(f"{message.task.text}…")

    @on(TaskEnded)
    async def _task_ended(self, message: TaskEnded) -> None:
        await self.sync.see()
        if isinstance(message.error, BatchtuiError):
            if message.shown:
                self.session.note(message.error.message, message.error.hint, bad=True)
            else:
                self.complain(message.error)
        else:
            self.session.note(message.text)
            self.say(message.text)

    @on(Reported)
    def _reported(self, message: Reported) -> None:
        self.session.note(message.text, message.hint, bad=message.bad)
        if message.toast:
            self.say(f"{message.text} {message.hint}".rstrip(), bad=message.bad)

    def _rooms(self) -> list[Room]:
        if not self.is_running:  # on exit, screens lose their widgets before their messages
            return []
        return [screen for screen in self.screen_stack if isinstance(screen, Room) and screen.is_mounted]

    def action_new(self) -> None:
        """Opens the form for a new batch."""
        from batchtui.tui.screens.submit import SubmitScreen

        self.push_screen(SubmitScreen(self.session, self.sync))

    async def action_look(self) -> None:
        """Polls the API now."""
        if not self.session.key:
            self.push_screen(SetupScreen(self.session.desk.settings.key_variable))
        else:
            await self.sync.look_now()

    def action_pause(self) -> None:
        """Pauses polling, or resumes it."""
        paused = self.sync.pause()
        other = f" {self.session.elsewhere} keeps polling." if self.session.elsewhere else ""
        self.say(f"Polling is paused here: R polls once, p resumes.{other}" if paused else "Polling resumed.")

    def action_log(self) -> None:
        """Shows what this run did."""
        self.push_screen(LogScreen(self.session))

    def action_help(self) -> None:
        """Shows the keys."""
        self.push_screen(HelpScreen(self.session.desk.settings.keys))

    async def action_quit(self) -> None:
        """Quits; asks first if that would cut off work that does not continue on its own."""
        cut = self.session.under_way(Kind.SUBMIT, Kind.EXPORT)
        if not cut:
            self.exit(0)
            return

        def answered(agreed: bool | None) -> None:
            if agreed:
                self.exit(0)

        self.push_screen(
            ConfirmScreen(f"{cut[0].text} {cut[0].words}. {_LOSS[cut[0].kind]}", "Leave", "Stay"), answered
        )

    def handle_bindings_clash(self, clashed_bindings: set[Binding], node: DOMNode) -> None:
        """Reports once that `[keys]` in config.toml gives one key to two commands."""
        for binding in clashed_bindings:
            if binding.key not in self._clashes:
                self._clashes.add(binding.key)
                self.session.say(
                    f"[keys] in config.toml reuses the key of {binding.id}.", "Give that another key too.", bad=True
                )


_TITLE_STAYS = 60.0
"""Seconds that the title says what has ended, if the terminal has the focus or does not tell whether it has."""

_SETTLED = 1.0
"""Seconds until the first paint is over."""

_LOSS = {
    Kind.SUBMIT: "Leaving now cuts it off; the next start finds out from the API's list whether it was accepted.",
    Kind.EXPORT: "Leaving now drops it; no half-written file stays behind.",
}


def _warm() -> None:
    """Imports what the first paint does not need, before a key press needs it."""
    import batchtui.tui.palette
    import batchtui.tui.screens.export
    import batchtui.tui.screens.submit  # noqa: F401


def _collect() -> None:
    """Turns garbage collection, which `run_screen` turned off, on again; it skips all objects that exist already."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
