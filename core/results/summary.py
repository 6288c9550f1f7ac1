"""What is known about a batch once its results are here: `results/BATCH_ID.summary.json`."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from batchtui.core.batches.batch import Output
from batchtui.core.batches.cache_use import CacheUse, cache_use
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.output_records import noted
from batchtui.core.batches.price import HALF, Tokens, Usage, bill
from batchtui.core.batches.remote import Counts
from batchtui.core.clock import Time
from batchtui.core.errors import StateError
from batchtui.core.files import replacing
from batchtui.core.results.verify import ErrorGroup, Verdict
from batchtui.core.text import inert_line


class Summary(Struct, frozen=True, kw_only=True):
    """Counts, errors by type, tokens, cost and fingerprint of verified results.

    `outcomes` is None in a summary of an older version. `unfit` is why one of them does not fit. `usage` is split by
    price. `actual_usd` is None if it is not known; `unpriced` names the models without a price. `cache` is None if no
    tokens were cached, or if an older version made the summary. `anomalies` is empty unless results were kept in spite
    of them. Error texts and models are hostile text.
    """

    batch_id: str
    name: str
    requests: int
    counts: Counts
    outcomes: Outcomes | None = None
    unfit: str = ""
    sha256: str
    bytes: int
    verified_at: Time
    errors: tuple[ErrorGroup, ...] = ()
    stop_reasons: dict[str, int] = {}
    usage: tuple[Usage, ...] = ()
    actual_usd: float | None = None
    saved_usd: float | None = None
    unpriced: tuple[str, ...] = ()
    cache: CacheUse | None = None
    anomalies: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()

    @property
    def tokens(self) -> dict[str, Tokens]:
        """Tokens by model."""
        sums: dict[str, Tokens] = {}
        for part in self.usage:
            sums[part.model] = sums.get(part.model, Tokens()) + part.tokens
        return sums


def summarise(
    verdict: Verdict, *, batch_id: str, name: str, made_at: datetime, now: datetime, share: Decimal = HALF
) -> Summary:
    """The summary of a verdict. `made_at` (the batch's `created_at`) decides the prices; `share` of them is paid.

    `batch_id` is what the results are filed under: the ref if there is no batch at the API.
    """
    cost = bill(verdict.usage, made_at, share)
    return Summary(
        batch_id=batch_id,
        name=name,
        requests=verdict.lines,
        counts=verdict.counts,
        outcomes=verdict.outcomes,
        unfit=verdict.unfit,
        sha256=verdict.sha256,
        bytes=verdict.bytes,
        verified_at=now,
        errors=verdict.errors,
        stop_reasons=verdict.stop_reasons,
        usage=verdict.usage,
        actual_usd=cost.actual_usd,
        saved_usd=cost.saved_usd,
        unpriced=cost.unpriced,
        cache=cache_use(verdict.usage, made_at, share),
        anomalies=verdict.anomalies,
    )


def spelled_out(part: Any) -> Any:
    """A summary for scripts, with every field, even if it is zero, empty or null."""
    if isinstance(part, Struct):
        return {name: spelled_out(value) for name, value in asdict(part).items()}
    return [spelled_out(one) for one in part] if isinstance(part, tuple) else part


def write(path: Path, summary: Summary) -> None:
    """Writes a summary in readable form, whole or not at all. Raises OSError."""
    with replacing(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(spelled_out(summary)), indent=2) + b"\n")


def read(path: Path) -> Summary:
    """The summary in a file.

    Raises:
        StateError: it is missing, or is not one of ours.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Summary)
    except (OSError, ValueError, RecursionError) as error:
        raise StateError(
            f"The summary in {path} cannot be read: {inert_line(str(error), 120)}", "Retrieve the batch again."
        ) from error


def note_outcomes(path: Path, outcomes: Outcomes, unfit: str) -> None:
    """Corrects the outcomes in the summary in a file. Does nothing if there is none that can be read and written."""
    with suppress(StateError, OSError):
        known = read(path)
        if (known.outcomes, known.unfit) != (outcomes, unfit):
            write(path, replace(known, outcomes=outcomes, unfit=unfit))


def note_output(path: Path, output: Output) -> None:
    """Adds a finished output to the summary in a file. Does nothing if there is none that can be read and written."""
    with suppress(StateError, OSError):
        known = read(path)
        write(path, replace(known, outputs=noted(known.outputs, output)))
