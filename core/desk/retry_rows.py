"""The rows of a retry: each as it was last sent, with the changes that are wanted, and paused turns continued."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Raw, Struct

from batchtui.core.api import result_line
from batchtui.core.api.lenient_json import mended
from batchtui.core.batches.outcomes import Outcome
from batchtui.core.desk.retry_proposal import Proposal
from batchtui.core.desk.retry_wanted import again
from batchtui.core.errors import NotAllowed
from batchtui.core.files import is_there
from batchtui.core.paths import Paths
from batchtui.core.results.result_file import Results
from batchtui.core.state.archive import copy_rows
from batchtui.core.text import plural

_MARKS = (b"pause_turn", b"compaction")
"""One of them is in every line of a paused turn, so that other lines need not be decoded."""


class _Message(Struct, gc=False):
    content: Raw = Raw(b"null")


class _Result(Struct, gc=False):
    message: _Message


class _Line(Struct, gc=False):
    result: _Result


_line = msgspec.json.Decoder(_Line)
_blocks = msgspec.json.Decoder(list[Raw] | None)
_members = msgspec.json.Decoder(dict[str, Raw])
_citations = msgspec.json.Decoder(list[dict[str, Raw]] | None)
_FILE_ID = b'"file_id"'

_Turns = Mapping[Path, Mapping[str, tuple[Results, int]]]


def copy_chosen(
    proposal: Proposal, paths: Paths, sink: BinaryIO, look: Callable[[bytes], None] = lambda _: None
) -> None:
    """Copies the rows to be retried, each as it was last sent, and so changed that it goes on. Call it in a thread.

    A row is only continued if its last attempt was paused: one that already sends its content back stays as it is.
    `look` sees each row as it was last sent.

    Raises:
        NotAllowed: the archive does not hold all of them.
        StateError: a file cannot be read.
    """
    later = [paths.archive(ref) for ref in proposal.asked if is_there(paths.archive(ref))]
    ids = proposal.chosen.ids
    with ExitStack() as files:
        turns = _paused(proposal, paths, files)

        def edit(row: bytes, name: str, sent: Path) -> bytes:
            look(row)
            found = turns.get(sent, {}).get(name)
            return again(row, proposal.wanted, _content(found[0].raw(found[1])) if found else None)

        copied = copy_rows(paths.archive(proposal.first.ref), ids, sink, later, edit)
    if copied != len(ids):
        raise NotAllowed(
            f"Only {copied:,} of {plural(len(ids), 'request')} are in the archive.", "Submit the rest as a new file."
        )


def _paused(proposal: Proposal, paths: Paths, files: ExitStack) -> _Turns:
    """Where the paused turns of the chosen requests are, by the archive that they were sent from."""
    found: dict[Path, dict[str, tuple[Results, int]]] = {}
    for ref, path in proposal.turns:
        results = files.enter_context(Results.open(path))
        here = dict(_paused_in(results))
        found[paths.archive(ref)] = {name: (results, at) for name, at in here.items() if name in proposal.chosen.ids}
    return found


def _paused_in(results: Results) -> Iterator[tuple[str, int]]:
    for index in range(len(results)):
        raw = results.raw(index)
        if any(mark in raw for mark in _MARKS):
            line = result_line.decode(raw)
            if isinstance(line.result, result_line.Succeeded) and line.result.message.outcome is Outcome.PAUSED:
                yield line.custom_id, index


def _content(raw: bytes) -> Raw | None:
    """The content of a message as it came, but for what the API does not take back; None if there is none."""
    blocks = mended(raw, _blocks_of)
    return Raw(b"[%b]" % b",".join(map(_taken_back, blocks))) if blocks else None


def _blocks_of(raw: bytes | bytearray) -> list[Raw]:
    return _blocks.decode(_line.decode(raw).result.message.content) or []


def _taken_back(block: Raw) -> bytes:
    """A block without the `file_id` of its citations, which is refused in a request
    (https://github.com/langchain-ai/langchain/pull/32592)."""
    if _FILE_ID not in bytes(block):
        return bytes(block)
    members = _members.decode(block)
    if bytes(members.get("type", b"")) != b'"text"':
        return bytes(block)
    cited = _citations.decode(members.get("citations", b"null")) or []
    kept = [{name: value for name, value in one.items() if name != "file_id"} for one in cited]
    return msgspec.json.encode({**members, "citations": kept})
