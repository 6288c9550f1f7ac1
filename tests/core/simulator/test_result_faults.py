"""Results that arrive truncated, damaged, zipped or replaced."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from http.client import IncompleteRead
from typing import Literal

import pytest
from anthropic import Anthropic

from batchtui.core.simulator.control import Control
from batchtui.core.simulator.faults import Damage, Drop, Gzip, Truncate

from .conftest import BATCHES, Bare, lines


@pytest.mark.parametrize("at", ["edge", "middle"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_results_cut_short_of_their_announced_end_are_seen_to_be(
    framing: Literal["length", "chunked"], at: Literal["edge", "middle"], bare: Bare, control: Control, ended: str
) -> None:
    whole = b"".join(lines(bare, ended))
    control.fault("results", Truncate(framing, at))
    response, connection = bare.open("GET", f"{BATCHES}/{ended}/results")
    with pytest.raises(IncompleteRead) as caught:
        response.read()
    connection.close()
    if framing == "length":
        assert int(response.headers["content-length"]) == len(whole)
        assert whole.startswith(caught.value.partial)
        assert caught.value.partial.endswith(b"\n") is (at == "edge")
        assert caught.value.partial.count(b"\n") == 5


@pytest.mark.parametrize("framing", ["none", "short"])
def test_results_can_be_cut_at_a_line_so_that_it_looks_like_a_clean_end(
    framing: Literal["none", "short"], client: Anthropic, bare: Bare, control: Control, ended: str
) -> None:
    whole = lines(bare, ended)
    control.fault("results", Truncate(framing, lines=7), times=2)
    assert lines(bare, ended) == whole[:7]
    assert len(list(client.messages.batches.results(ended))) == 7


@pytest.mark.parametrize("reset", [False, True])
def test_results_can_lose_their_connection_half_way(reset: bool, bare: Bare, control: Control, ended: str) -> None:
    control.fault("results", Drop("mid_answer", reset=reset))
    with pytest.raises((IncompleteRead, ConnectionResetError)):
        lines(bare, ended)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Damage("omit", 3), lambda whole: whole[:3] + whole[4:]),
        (Damage("double", 3), lambda whole: whole[:4] + whole[3:]),
        (Damage("insert", 3, text="{}"), lambda whole: [*whole[:3], b"{}\n", *whole[3:]]),
        (Damage("replace", 3, text="<html>"), lambda whole: [*whole[:3], b"<html>\n", *whole[4:]]),
    ],
)
def test_one_result_line_can_be_wrong(
    fault: Damage, expected: Callable[[list[bytes]], list[bytes]], bare: Bare, control: Control, ended: str
) -> None:
    whole = lines(bare, ended)
    control.fault("results", fault)
    assert lines(bare, ended) == expected(whole)
    assert lines(bare, ended) == whole


def test_a_garbled_line_is_no_json_and_still_one_line(bare: Bare, control: Control, ended: str) -> None:
    whole = lines(bare, ended)
    control.fault("results", Damage("garble", 2))
    garbled = lines(bare, ended)
    assert (len(garbled), garbled[:2], garbled[3:]) == (10, whole[:2], whole[3:])
    with pytest.raises(ValueError, match="codec"):
        json.loads(garbled[2])


def test_a_foreign_custom_id_can_be_among_the_results(client: Anthropic, control: Control, ended: str) -> None:
    control.fault("results", Damage("insert"))
    ids = [result.custom_id for result in client.messages.batches.results(ended)]
    assert set(ids) - set(control.custom_ids(ended)) == {"not-in-this-batch"}
    assert len(ids) == 11


def test_results_can_be_zipped_and_the_zip_cut(bare: Bare, control: Control, ended: str) -> None:
    whole = b"".join(lines(bare, ended))
    control.fault("results", Gzip(), Gzip(cut=4))
    response, connection = bare.open("GET", f"{BATCHES}/{ended}/results")
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(response.read()) == whole
    connection.close()
    with pytest.raises(EOFError):
        gzip.decompress(b"".join(lines(bare, ended)))


def test_a_laid_down_result_replaces_the_made_up_one(bare: Bare, control: Control, ended: str) -> None:
    control.lay_down("row-3", {"type": "errored", "error": {"type": "error", "error": {"type": "x", "message": "[b]"}}})
    found = {one["custom_id"]: one["result"] for one in map(json.loads, lines(bare, ended))}
    assert found["row-3"]["error"]["error"]["message"] == "[b]"
    assert found["row-4"]["type"] == "succeeded"
