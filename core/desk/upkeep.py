"""What the loop of a process that polls for months asks of its desk, and tells it."""

from __future__ import annotations

from batchtui.core.batches.batch import State
from batchtui.core.desk.pace import Pace
from batchtui.core.jobs.steps import StepRunner
from batchtui.core.sending.context import Context
from batchtui.core.sending.send import Sender
from batchtui.core.state.looks import Outage


class Upkeep:
    """The upkeep of one desk."""

    def __init__(self, context: Context, pace: Pace, steps: StepRunner, sender: Sender) -> None:
        self._connection = context.connection
        self._disk = context.disk
        self._clock = context.clock
        self._pace = pace
        self._steps = steps
        self._sender = sender

    @property
    def outage(self) -> Outage | None:
        """The looks of this process that fail at the moment, as one; None if the last one worked."""
        return self._pace.outage

    @property
    def sending(self) -> bool:
        """Whether a create of this process is at the host: nobody would know its outcome if it were ended now."""
        return self._sender.in_flight

    @property
    def working(self) -> bool:
        """Whether something runs that may take long and has a limit of its own: an output, a step, a create."""
        return self._steps.working or self._sender.in_flight

    async def due_in(self) -> float:
        """Seconds until the next look is due, for a process that begins to poll: others looked before. 0 if results
        wait to be retrieved, and not long if something was sent since."""
        left = await self._disk.run(lambda: self._pace.begin(self._clock()))
        snapshot = await self._disk.snapshot()
        if any(one.state is State.ENDED and not one.trouble for one in snapshot.batches):
            return 0.0
        return min(left, self._pace.delay(snapshot, 0, None))

    async def woke(self) -> None:
        """Gives up what a sleep of the machine made worthless: connections, and what failed before."""
        self._pace.forget_failures()
        await self._connection.drop()

    async def renew_key(self) -> None:
        """Looks at the sources of the key again: another key is used from the next call on."""
        await self._connection.renew()
