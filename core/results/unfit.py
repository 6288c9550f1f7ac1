"""Which answers do not fit what was asked for, and why: `results/BATCH_ID.unfit.json`, beside the results.

The results stay as the API sent them. An answer that came in full is unfit if it does not follow the schema of its
request, or if an output cannot use it. Each of them has its own entries, so that it can judge again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.errors import StateError
from batchtui.core.files import replacing
from batchtui.core.paths import unfit_beside
from batchtui.core.text import inert_line

Causes = Mapping[str, str]
"""Why answers do not fit, by custom_id."""

_LONGEST = 300


class Unfit(Struct, frozen=True, kw_only=True):
    """The unfit answers of one results file. `verified` counts its outcomes without them; `schema` says what does not
    follow the schema of its request, `outputs` what each output could not use."""

    verified: Outcomes
    schema: dict[str, str] = {}
    outputs: dict[str, dict[str, str]] = {}

    @property
    def causes(self) -> dict[str, str]:
        """Why each of them does not fit: the first reason that was found."""
        found = dict(self.schema)
        for causes in self.outputs.values():
            found |= {custom_id: why for custom_id, why in causes.items() if custom_id not in found}
        return found

    @property
    def outcomes(self) -> Outcomes:
        """The outcomes of all results. They are counted anew from what was verified, so nothing counts twice."""
        count, before = len(self.causes), self.verified
        return replace(before, answered=before.answered - count, unfit=before.unfit + count)

    @property
    def example(self) -> str:
        """Which of them does not fit, and why; "" if all do."""
        return next((f"{custom_id}: {why}" for custom_id, why in self.causes.items()), "")

    def by_schema(self, causes: Causes) -> Unfit:
        """With these in place of what an earlier check found."""
        return replace(self, schema=_short(causes))

    def by_output(self, output: str, causes: Causes, elsewhere: Collection[str] = ()) -> Unfit:
        """With what a run of an output found in place of what it found before.

        `elsewhere` are answers that a retry replaced: the output was not shown these, so what is known of them stays.
        """
        before = self.outputs.get(output, {})
        found = {name: why for name, why in before.items() if name in elsewhere} | _short(causes)
        others = {name: known for name, known in self.outputs.items() if name != output}
        return replace(self, outputs={**others, output: found} if found else others)


def _short(causes: Causes) -> dict[str, str]:
    return {custom_id: inert_line(why, _LONGEST) for custom_id, why in causes.items()}


def read(results: Path) -> Unfit | None:
    """What is known about the answers in a results file; None if nothing is.

    Raises:
        StateError: it cannot be read.
    """
    path = unfit_beside(results)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Unfit)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateError(
            f"Which answers do not fit cannot be read from {path}: {error.strerror}.",
            "Change its permissions, or those of its folder.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise StateError(
            f"Which answers do not fit cannot be read from {path}: {inert_line(str(error), 120)}",
            "Put the file back from a copy. Without it, its answers count as they came.",
        ) from error


def causes_of(results: Path) -> dict[str, str]:
    """Why answers in a results file do not fit, by custom_id. Raises as `read`."""
    known = read(results)
    return known.causes if known else {}


def write(results: Path, unfit: Unfit) -> None:
    """Keeps it, whole or not at all. Raises OSError."""
    with replacing(unfit_beside(results)) as file:
        file.write(msgspec.json.format(msgspec.json.encode(unfit), indent=2) + b"\n")
