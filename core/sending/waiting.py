"""Sends the waiting parts that may go now, in whichever process gets to them."""

from __future__ import annotations

from batchtui.core.api.protocol import Report
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Submission, Trouble
from batchtui.core.batches.submissions import go_on_with, over_limit
from batchtui.core.errors import BatchtuiError, Busy, Failure, Unreachable, unforeseen
from batchtui.core.logs import log
from batchtui.core.sending.context import Context
from batchtui.core.sending.send import Sender
from batchtui.core.sending.submit import note, send_next


class WaitingParts:
    """The waiting parts of one state."""

    def __init__(self, context: Context, sender: Sender) -> None:
        self._context = context
        self._disk = context.disk
        self._sender = sender

    async def send(self, only: str | None = None, report: Report | None = None) -> tuple[list[str], list[Failure]]:
        """Sends the waiting parts that may go, of one submission or of all. Returns their ids and what went wrong.

        A full queue at the API is not an error: the parts keep waiting, and the submission says so.
        """
        sent: list[str] = []
        failed: list[Failure] = []
        tried: set[str] = set()
        while True:
            snapshot = await self._disk.snapshot()
            now = self._context.clock()
            early = (one for one in plan.to_send(snapshot) if one.deadline is None or one.deadline > now)
            ready = [one for one in early if one.ref not in tried and only in (None, one.ref)]
            if not ready:
                return sent, failed
            submission = ready[0]
            try:
                sent.append((await send_next(submission, self._context, self._sender, report)).label)
            except BatchtuiError as error:
                tried.add(submission.ref)
                if isinstance(error, Busy) and await self._is_settled(submission):
                    log.info("%s: %s", submission.ref, error.message)
                    continue
                log.warning("%s: part %s not sent: %s", submission.ref, submission.waiting[0].number, error.message)
                if not (isinstance(error, Unreachable) and error.by_api and error.status == 429):
                    failed.append(Failure(next(iter(submission.batches), None), error))
            except Exception as error:  # noqa: BLE001
                log.warning("%s: part %s not sent", submission.ref, submission.waiting[0].number, exc_info=error)
                tried.add(submission.ref)
                said = unforeseen(error, "Sending a part")
                await note(submission.ref, Trouble.of(said, self._context.clock()), self._disk, stopped=False)
                failed.append(Failure(next(iter(submission.batches), None), said))

    async def _is_settled(self, before: Submission) -> bool:
        """Whether its next part is no longer waiting, or no longer to go as a batch: another process, a person or its
        deadline was faster, which is no failure."""
        now = (await self._disk.snapshot()).submissions.get(before.ref)
        if now is None or now.stopped or now.waiting[:1] != before.waiting[:1]:
            return True
        return now.deadline is not None and now.deadline <= self._context.clock()

    async def judge_limits(self) -> list[Failure]:
        """Notes which parts may not be sent under a limit that was lowered since. Returns what is newly noted."""
        failed: list[Failure] = []
        snapshot = await self._disk.snapshot()
        for submission, most in plan.too_dear_to_send(snapshot):
            error = over_limit(submission, most, go_on_with(submission))
            if submission.trouble is None or submission.trouble.message != error.message:
                await note(submission.ref, Trouble.of(error, self._context.clock()), self._disk)
                failed.append(Failure(next(iter(submission.batches), None), error))
        return failed

    async def judge_canaries(self) -> None:
        """Stops the parts behind a canary whose answers are not all good."""
        for submission, batch in plan.spoiled_canaries(await self._disk.snapshot()):
            log.warning("%s: the canary %s is not clean", submission.ref, batch.label)
            await note(
                submission.ref, plan.why_stopped(submission, batch, self._context.clock()), self._disk, stopped=True
            )
