"""Every command: what it prints, with exact JSON, and its exit code.

The commands run in this process, so that the SDK is imported once; `test_process` runs real processes.
"""

import csv
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchtui.core.logs import log
from batchtui.core.simulator.control import Preload
from batchtui.core.simulator.faults import Answer, Damage, Drop
from batchtui.tui.cli.main import run
from tests.json_output import held

if TYPE_CHECKING:
    from tests.conftest import World

KEY = "sk-ant-canary-5up3rs3cr3t-0001"
UNKNOWN = "msgbatch_01" + "0" * 22

BATCH = {
    "id",
    "ref",
    "name",
    "state",
    "processing_status",
    "requests",
    "request_counts",
    "outcomes",
    "submitted_at",
    "created_at",
    "ended_at",
    "expires_at",
    "results_path",
    "retrieved_at",
    "remote_deleted_at",
    "trouble",
    "cost",
    "outputs",
    "betas",
    "step",
}
ERROR = {"batch", "code", "message", "hint"}
FIELDS = {
    "--once": {"batches", "retrieved", "submitted", "api_calls", "polled_by"},
    "show": {"batch"},
}
"""The fields that a script finds besides the errors."""


@dataclass
class Ended:
    """The outcome of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """All of stdout, which must be one JSON object."""
        said = json.loads(self.out)
        assert isinstance(said, dict)
        assert said["schema"] == 1
        for batch in said.get("batches", ()):
            assert batch.keys() == BATCH
        return said


class Cli:
    """Runs commands on one test's state and simulator."""

    def __init__(self, world: "World", monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self.monkeypatch = monkeypatch
        self.capfd = capfd

    def __call__(self, *arguments: str, **environment: str | None) -> Ended:
        with self.monkeypatch.context() as patch:
            for name, value in {**self.world.environment, **environment}.items():
                if value is None:
                    patch.delenv(name, raising=False)
                else:
                    patch.setenv(name, value)
            patch.chdir(self.world.folder)
            self.capfd.readouterr()
            code = run(list(arguments))
        out, err = self.capfd.readouterr()
        assert KEY not in out + err
        held(list(arguments), code, out, self.world.folder)
        return Ended(code, out, err)

    def submit(self, *arguments: str, rows: int = 5, name: str = "rows.jsonl", prefix: str = "req-") -> str:
        """Submits a new file; the batch's id."""
        ended = self("submit", self.world.rows(rows, name, prefix).name, *arguments)
        assert ended.code == 0, ended.err
        return ended.out.strip()

    def finish(self, batch_id: str) -> None:
        """Lets a batch end and retrieves it."""
        self.world.control.finish(batch_id)
        ended = self("retrieve", batch_id)
        assert ended.code in (0, 3), ended.err

    def batches(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self("list", "--all", "--json").json["batches"]
        return listed


@pytest.fixture
def cli(world: "World", monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Batches run until a test finishes them."""
    world.control.settings(duration=3600)
    yield Cli(world, monkeypatch, capfd)
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()
    log.addHandler(logging.NullHandler())


def assert_error(ended: Ended, code: int, *words: str) -> None:
    """Expects one error, in JSON on stdout and in text on stderr."""
    assert ended.code == code, (ended.out, ended.err)
    (error,) = ended.json["errors"]
    assert error.keys() >= ERROR
    for word in words:
        assert word in error["message"] + " " + error["hint"]
    assert error["message"] in ended.err
    assert error["hint"]


# submit


def test_submit_prints_the_id_alone_and_says_the_rest_beside_it(cli: Cli) -> None:
    ended = cli("submit", str(cli.world.rows(5)))
    (known,) = cli.world.control.batches()
    assert (ended.code, ended.out) == (0, f"{known.id}\n")
    assert known.requests == 5
    assert f"batchtui retrieve {known.id}" in ended.err
    (archived,) = (cli.world.home / "requests").iterdir()
    assert str(archived) in ended.err
    assert archived.read_bytes() == (cli.world.folder / "rows.jsonl").read_bytes()


def test_submit_in_json_gives_the_batch(cli: Cli) -> None:
    ended = cli("submit", str(cli.world.rows(5)), "--name", "mine", "--json")
    (batch,) = ended.json["batches"]
    assert ended.json["errors"] == []
    assert (batch["name"], batch["state"], batch["processing_status"]) == ("mine", "in_progress", "in_progress")
    assert batch["request_counts"] == {"processing": 5, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
    assert batch["id"] == cli.world.control.batches()[0].id


def test_submit_names_a_batch_after_its_file(cli: Cli) -> None:
    cli.submit(name="nightly.eval.jsonl")
    assert [one["name"] for one in cli.batches()] == ["nightly.eval"]


def bad_file(folder: Path) -> Path:
    path = folder / "bad.jsonl"
    good = {"model": "claude-haiku-5-5", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    rows = [
        json.dumps({"custom_id": "a", "params": good}),
        "not json",
        json.dumps({"custom_id": "b b", "params": good}),
        json.dumps({"custom_id": "a", "params": good}),
        json.dumps({"custom_id": "c"}),
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_bad_file_is_refused_with_every_problem_and_its_line_and_nothing_is_sent(cli: Cli) -> None:
    ended = cli("submit", str(bad_file(cli.world.folder)), "--json")
    assert ended.code == 1
    assert ended.json["batches"] == []
    assert ended.json["problems"] == 4
    errors = ended.json["errors"]
    assert [one["line"] for one in errors] == [2, 3, 4, 5]
    assert all(one.keys() == ERROR | {"line", "field"} and one["hint"] for one in errors)
    for line in (2, 3, 4, 5):
        assert f"line {line}" in ended.err
    assert "nothing was sent" in ended.err
    assert len(cli.world.control.calls("create")) == 0
    assert list(cli.world.home.rglob("*.jsonl")) == []
    assert cli.batches() == []


@pytest.mark.parametrize("kind", ["missing", "folder", "empty"])
def test_a_file_that_is_none_is_refused(cli: Cli, kind: str) -> None:
    path = cli.world.folder / "input"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_text("")
    ended = cli("submit", str(path), "--json")
    assert ended.code == 1
    assert [(one["line"], bool(one["message"]), bool(one["hint"])) for one in ended.json["errors"]] == [
        (None, True, True)
    ]
    assert cli.world.control.calls() == []


def test_the_same_rows_again_are_refused_unless_they_are_meant(cli: Cli) -> None:
    first = cli.submit()
    again = cli("submit", "rows.jsonl", "--json")
    assert_error(again, 7, first, "--again")
    assert len(cli.world.control.batches()) == 1
    second = cli("submit", "rows.jsonl", "--again")
    assert second.code == 0
    assert {one.id for one in cli.world.control.batches()} == {first, second.out.strip()}
    assert len(list((cli.world.home / "requests").iterdir())) == 2


def test_what_the_api_refuses_is_kept_as_rejected(cli: Cli) -> None:
    cli.world.control.fault("create", Answer(400, "invalid_request_error", "No batches today."))
    ended = cli("submit", str(cli.world.rows(2)), "--json")
    assert ended.code == 1
    assert "No batches today." in ended.json["errors"][0]["message"]
    (kept,) = cli.batches()
    assert (kept["state"], kept["id"]) == ("rejected", None)
    assert "No batches today." in kept["trouble"]["message"]


def test_submit_that_waits_ends_with_the_results_here(cli: Cli) -> None:
    cli.world.control.settings(duration=0)
    ended = cli("submit", str(cli.world.rows(5)), "--wait", "--json")
    assert ended.code == 0, ended.err
    (batch,) = ended.json["batches"]
    assert batch["state"] == "retrieved"
    assert len(Path(batch["results_path"]).read_text().splitlines()) == 5
    assert "5 of 5 requests succeeded: " in ended.err


def test_submit_that_waits_retrieves_though_the_setting_says_not_to_by_itself(cli: Cli) -> None:
    cli.world.control.settings(duration=0)
    cli.world.configure(auto_retrieve=False)
    ended = cli("submit", str(cli.world.rows(5)), "--wait")
    assert ended.code == 0, ended.err
    assert [one["state"] for one in cli.batches()] == ["retrieved"]


def test_submit_that_waits_says_that_some_failed(cli: Cli) -> None:
    cli.world.control.settings(duration=0, errored=1.0)
    ended = cli("submit", str(cli.world.rows(3)), "--wait", "--json")
    assert ended.code == 3
    assert ended.json["batches"][0]["request_counts"]["errored"] == 3


def test_submit_that_waits_and_loses_its_key_says_what_was_submitted(cli: Cli) -> None:
    cli.world.control.fault("get", Answer(401, "authentication_error", "invalid x-api-key"), times=None)
    ended = cli("submit", str(cli.world.rows(3)), "--wait", "--json")
    assert ended.code == 5
    assert [one["id"] for one in ended.json["batches"]] == [cli.world.control.batches()[0].id]
    assert "refused the key" in ended.json["errors"][0]["message"]


def test_an_unknown_outcome_ends_with_6_and_is_kept(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchtui.core.sending.send._SETTLE_AFTER", (0.0,))
    cli.world.control.fault("create", Drop("unaccepted"))
    ended = cli("submit", str(cli.world.rows(3)), "--json")
    assert ended.code == 6
    (batch,) = ended.json["batches"]
    assert (batch["state"], batch["id"]) == ("unconfirmed", None)
    assert ended.json["errors"][0]["batch"] == batch["ref"]
    assert len(cli.world.control.calls("create")) == 1
    once = cli("--once", "--json")
    assert once.code == 6
    assert " is unconfirmed. " in once.err
    assert [error["batch"] for error in once.json["errors"]] == [batch["ref"]]
    again = cli("submit", str(cli.world.rows(3)))
    assert again.code == 7
    assert "it is not known yet whether the API accepted them" in again.err
    assert "--again may buy them twice" in again.err
    assert len(cli.world.control.calls("create")) == 1


def test_a_lost_answer_is_found_and_ends_with_0(cli: Cli) -> None:
    cli.world.control.fault("create", Drop("accepted"))
    ended = cli("submit", str(cli.world.rows(3)))
    assert ended.code == 0, ended.err
    assert ended.out.strip() == cli.world.control.batches()[0].id
    assert "answer was lost" in ended.err
    assert len(cli.world.control.calls("create")) == 1


# check


def test_check_says_what_a_file_holds_and_buys_nothing(cli: Cli) -> None:
    ended = cli("check", str(cli.world.rows(5)), "--json")
    assert ended.code == 0
    assert ended.json["file"]["requests"] == 5
    assert ended.json["file"]["models"] == ["claude-haiku-5-5"]
    assert (ended.json["problems"], ended.json["errors"]) == (0, [])
    plain = cli("check", "rows.jsonl")
    assert plain.out.startswith("5 requests (")
    assert {call.call for call in cli.world.control.calls()} == {"models", "count"}


def test_check_offline_asks_nobody(cli: Cli) -> None:
    ended = cli("check", str(cli.world.rows(5)), "--offline")
    assert (ended.code, ended.err) == (0, "")
    assert cli.world.control.calls() == []


def test_check_of_a_bad_file_lists_its_problems_and_ends_with_1(cli: Cli) -> None:
    ended = cli("check", str(bad_file(cli.world.folder)))
    assert ended.code == 1
    named = [line.split(":")[0].split(",")[0] for line in ended.out.splitlines() if not line.startswith(" ")]
    assert named == ["line 2", "line 3", "line 4", "line 5"]
    in_json = cli("check", "bad.jsonl", "--json").json
    assert (in_json["problems"], len(in_json["errors"])) == (4, 4)


# list and show


def test_list_shows_batches_newest_first(cli: Cli) -> None:
    first = cli.submit(name="one.jsonl", prefix="a")
    second = cli.submit(name="two.jsonl", prefix="b")
    listed = cli("list", "--json")
    assert listed.json.keys() == {"schema", "batches"}
    assert [one["id"] for one in listed.json["batches"]] == [second, first]
    plain = cli("list").out.splitlines()
    assert [line.split()[0] for line in plain] == ["NAME", "two", "one"]
    assert cli.world.control.calls("get") == []


def test_list_hides_what_is_gone_unless_all_is_asked_for(cli: Cli) -> None:
    gone = cli.submit()
    cli.world.control.finish(gone)
    cli.world.control.archive(gone)
    assert cli("--once").code == 0
    assert [one["state"] for one in cli("list", "--all", "--json").json["batches"]] == ["gone"]
    assert cli("list", "--json").json["batches"] == []
    ended = cli("list")
    assert (ended.code, ended.out) == (0, "")
    assert "No batches yet" not in ended.err
    assert "batchtui list --all" in ended.err


def test_what_is_gone_is_not_advised_to_be_retrieved(cli: Cli) -> None:
    gone = cli.submit()
    cli.world.control.finish(gone)
    cli.world.control.archive(gone)
    assert cli("--once").code == 0
    assert_error(cli("export", gone, "--to", "out.csv", "--json"), 1, "29 days", f"batchtui show {gone}")


def test_list_remote_adds_what_only_the_server_knows_without_a_ref(cli: Cli) -> None:
    mine = cli.submit()
    (theirs,) = cli.world.control.preload(Preload(key=KEY, requests=7, duration=0))
    ended = cli("list", "--remote", "--json")
    assert ended.code == 0
    assert {one["id"]: (one["ref"] is None, one["state"]) for one in ended.json["batches"]} == {
        mine: (False, "in_progress"),
        theirs: (True, "ended"),
    }
    assert [one["id"] for one in cli.batches()] == [mine]


def test_list_remote_without_the_api_still_shows_what_is_here(cli: Cli) -> None:
    mine = cli.submit()
    ended = cli("list", "--remote", "--json", ANTHROPIC_BASE_URL="http://127.0.0.1:1")
    assert_error(ended, 4)
    assert [one["id"] for one in ended.json["batches"]] == [mine]


def test_show_tells_all_of_one_batch_by_id_ref_name_or_beginning(cli: Cli) -> None:
    batch_id = cli.submit("--name", "nightly")
    cli.finish(batch_id)
    known = cli.batches()[0]
    for word in (batch_id, batch_id[:14], known["ref"], known["ref"][:5], "nightly"):
        ended = cli("show", word, "--json")
        assert ended.code == 0
        assert ended.json["batch"]["id"] == batch_id
    shown = ended.json["batch"]
    assert shown.keys() == BATCH | {"submission", "summary"}
    assert shown["submission"]["input"] == str(cli.world.folder / "rows.jsonl")
    assert shown["summary"]["counts"] == known["request_counts"]
    text = cli("show", "nightly").out
    for word in (batch_id, known["ref"], "retrieved", known["results_path"], shown["summary"]["sha256"]):
        assert word in text


COMMANDS_ON_A_BATCH = [
    ("show",),
    ("retrieve",),
    ("export", "--to", "out.csv"),
    ("cancel", "--yes"),
    ("forget", "--yes"),
]


@pytest.mark.parametrize("command", COMMANDS_ON_A_BATCH, ids=lambda command: command[0])
def test_an_unknown_batch_ends_with_2(cli: Cli, command: tuple[str, ...]) -> None:
    assert_error(cli(*command, "nowhere", "--json"), 2, "No batch is called nowhere", "batchtui list")
    plain = cli(*command, "nowhere")
    assert (plain.code, plain.out) == (2, "")


@pytest.mark.parametrize("command", COMMANDS_ON_A_BATCH, ids=lambda command: command[0])
def test_a_beginning_of_two_ids_ends_with_2_and_does_nothing(cli: Cli, command: tuple[str, ...]) -> None:
    for name in ("one", "two"):
        cli.submit(name=f"{name}.jsonl", prefix=name)
    before = cli.batches()
    assert_error(cli(*command, "msgbatch_", "--json"), 2, "2 batches", "by its id")
    assert cli.batches() == before


# retrieve


def test_retrieve_prints_where_the_results_are(cli: Cli) -> None:
    batch_id = cli.submit()
    cli.world.control.finish(batch_id)
    ended = cli("retrieve", batch_id)
    path = cli.world.home / f"results/{batch_id}.jsonl"
    assert (ended.code, ended.out) == (0, f"{path}\n")
    assert sorted(json.loads(line)["custom_id"] for line in path.read_text().splitlines()) == [
        f"req-{number}" for number in range(5)
    ]
    assert "5 of 5 requests succeeded" in ended.err


def test_retrieve_again_costs_no_call(cli: Cli) -> None:
    batch_id = cli.submit()
    cli.finish(batch_id)
    before = len(cli.world.control.calls())
    ended = cli("retrieve", batch_id, "--json")
    assert (ended.code, ended.json["batches"][0]["state"]) == (0, "retrieved")
    assert len(cli.world.control.calls()) == before


def test_retrieve_of_a_running_batch_says_so_and_ends_with_0(cli: Cli) -> None:
    batch_id = cli.submit()
    ended = cli("retrieve", batch_id, "--json")
    assert ended.code == 0
    assert ended.json["errors"] == []
    assert [(one["state"], one["results_path"]) for one in ended.json["batches"]] == [("in_progress", None)]
    assert "when the whole batch has ended" in ended.err
    assert cli("retrieve", batch_id).out == ""


@pytest.mark.parametrize("running", [True, False])
def test_retrieve_of_an_id_from_elsewhere_adopts_it(cli: Cli, *, running: bool) -> None:
    (theirs,) = cli.world.control.preload(Preload(key=KEY, requests=7, duration=3600 if running else 0))
    ended = cli("retrieve", theirs, "--json")
    assert ended.code == 0, ended.err
    (batch,) = ended.json["batches"]
    assert (batch["id"], batch["state"]) == (theirs, "in_progress" if running else "retrieved")
    assert "not sent from here" in ended.err
    assert [(one["id"], bool(one["ref"])) for one in cli.batches()] == [(theirs, True)]
    assert cli("show", theirs, "--json").json["batch"]["submission"]["adopted"]


def test_retrieve_of_an_id_that_nobody_knows_ends_with_1_and_keeps_nothing(cli: Cli) -> None:
    ended = cli("retrieve", UNKNOWN, "--json")
    assert_error(ended, 1, "does not know it")
    assert ended.json["errors"][0]["batch"] == UNKNOWN
    assert cli.batches() == []


def test_retrieve_ends_with_3_where_requests_failed(cli: Cli) -> None:
    cli.world.control.settings(errored=1.0)
    batch_id = cli.submit()
    cli.world.control.finish(batch_id)
    ended = cli("retrieve", batch_id, "--json")
    assert ended.code == 3
    assert ended.json["errors"] == []
    assert ended.json["batches"][0]["request_counts"]["errored"] == 5
    assert f"batchtui show {batch_id} says why" in ended.err
    assert cli("retrieve", batch_id).code == 3


def test_retrieve_of_several_gets_those_that_it_can(cli: Cli) -> None:
    good = cli.submit()
    cli.world.control.finish(good)
    ended = cli("retrieve", "nowhere", good, UNKNOWN, "--json")
    assert ended.code in (1, 2)
    assert [one["id"] for one in ended.json["batches"]] == [good]
    assert [one["batch"] for one in ended.json["errors"]] == ["nowhere", UNKNOWN]


def test_retrieve_keeps_nothing_that_did_not_pass_the_check(cli: Cli) -> None:
    batch_id = cli.submit()
    cli.world.control.finish(batch_id)
    cli.world.control.fault("results", Damage("omit"))
    assert_error(cli("retrieve", batch_id, "--json"), 1, "did not pass the check")
    assert [one.name for one in (cli.world.home / "results").iterdir()] == []
    (row,) = cli.batches()
    assert (row["state"], "did not pass" in row["trouble"]["message"]) == ("ended", True)
    assert cli("retrieve", batch_id).code == 0
    assert cli.batches()[0]["trouble"] is None


@pytest.mark.parametrize("known", [True, False], ids=["here", "unknown"])
def test_retrieve_says_all_in_one_object_where_the_state_cannot_be_written(cli: Cli, known: bool) -> None:
    batch_id = cli.submit()
    cli.finish(batch_id)
    lock = cli.world.home / "state.lock"
    lock.unlink()
    lock.mkdir()
    ended = cli("retrieve", batch_id if known else "unheard-of", "--json")
    assert_error(ended, 1 if known else 2, "state.lock" if known else "unheard-of")
    assert [one["id"] for one in ended.json["batches"]] == [batch_id] * known


def test_retrieve_to_exports_too(cli: Cli) -> None:
    batch_id = cli.submit()
    cli.world.control.finish(batch_id)
    ended = cli("retrieve", batch_id, "--to", "out/{custom_id}.md", "--json")
    assert ended.code == 0, ended.err
    assert [(one["kind"], one["rows"]) for one in ended.json["batches"][0]["outputs"]] == [("files", 5)]
    assert len(list((cli.world.folder / "out").iterdir())) == 5


# export


def test_export_writes_where_it_is_told_and_prints_the_path(cli: Cli) -> None:
    batch_id = cli.submit()
    cli.finish(batch_id)
    ended = cli("export", batch_id, "--to", "out.csv")
    path = cli.world.folder / "out.csv"
    assert (ended.code, ended.out) == (0, f"{path}\n")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["custom_id"] for row in rows] == [f"req-{number}" for number in range(5)]
    in_json = cli("export", batch_id, "--to", "out.jsonl", "--json").json
    assert [(one["kind"], one["rows"], one["path"]) for one in in_json["batches"][0]["outputs"]] == [
        ("csv", 5, str(path)),
        ("jsonl", 5, str(cli.world.folder / "out.jsonl")),
    ]


@pytest.mark.parametrize("place", ["x" * 300 + ".csv", "x" * 300 + "/out.db"])
@pytest.mark.parametrize("command", ["export", "retrieve"])
def test_a_target_that_nothing_can_be_at_is_said(cli: Cli, command: str, place: str) -> None:
    batch_id = cli.submit()
    cli.finish(batch_id)
    ended = cli(command, batch_id, "--to", place, "--json")
    assert_error(ended, 1, "cannot be written: ")
    assert "again" not in ended.err


def test_export_says_where_the_failed_ones_are(cli: Cli) -> None:
    cli.world.control.settings(errored=1)
    batch_id = cli.submit()
    cli.finish(batch_id)
    ended = cli("export", batch_id, "--to", "out/{custom_id}.md")
    left = cli.world.folder / "out" / "_failed.jsonl"
    assert len(left.read_text().splitlines()) == 5
    assert f"What did not succeed, and why: {left}" in ended.err
    cli.world.control.settings(errored=0)
    clean = cli.submit(name="clean.jsonl")
    cli.finish(clean)
    (cli.world.folder / "out.csv.failed.jsonl").write_text("somebody else's\n")
    assert "why:" not in cli("export", clean, "--to", "out.csv").err


def test_export_overwrites_only_with_force(cli: Cli) -> None:
    batch_id = cli.submit()
    cli.finish(batch_id)
    target = cli.world.folder / "out.jsonl"
    target.write_text("mine\n")
    assert_error(cli("export", batch_id, "--to", "out.jsonl", "--json"), 1, "already exists", "--force")
    assert target.read_text() == "mine\n"
    assert cli("export", batch_id, "--to", "out.jsonl", "--force").code == 0
    assert len(target.read_text().splitlines()) == 5


def test_export_needs_to_know_what_to_write(cli: Cli) -> None:
    batch_id = cli.submit()
    cli.finish(batch_id)
    assert_error(cli("export", batch_id, "--to", "out.odt", "--json"), 1, "does not show what to write")
    assert cli("export", batch_id, "--to", "out.odt", "--format", "csv").code == 0
    assert cli("export", batch_id, "--to", "x.csv", "--format", "xml").code == 2


def test_export_before_the_results_are_here_says_what_to_do_first(cli: Cli) -> None:
    batch_id = cli.submit()
    assert_error(cli("export", batch_id, "--to", "out.csv", "--json"), 1, f"batchtui retrieve {batch_id}")
    assert not (cli.world.folder / "out.csv").exists()


# cancel and forget


def test_cancel_asks_the_api_and_shows_the_batch(cli: Cli) -> None:
    batch_id = cli.submit()
    ended = cli("cancel", batch_id, "--yes", "--json")
    assert ended.code == 0
    assert [(one["id"], one["state"]) for one in ended.json["batches"]] == [(batch_id, "canceling")]
    assert ended.json["errors"] == []
    assert [call.batch_id for call in cli.world.control.calls("cancel")] == [batch_id]
    again = cli("cancel", batch_id, "--yes", "--json")
    assert again.code == 1
    assert "already" in again.json["errors"][0]["message"]


@pytest.mark.parametrize(
    "command", [("show",), ("retrieve",), ("export", "--to", "out.csv"), ("cancel", "--yes"), ("forget", "--yes")]
)
def test_an_error_about_a_batch_names_it_as_it_was_asked_for(cli: Cli, command: tuple[str, ...]) -> None:
    ended = cli(command[0], "unheard-of", *command[1:], "--json")
    assert_error(ended, 2, "unheard-of")
    assert ended.json["errors"][0]["batch"] == "unheard-of"


@pytest.mark.parametrize("verb", ["cancel", "forget"])
def test_what_may_not_be_done_says_where_more_is_known(cli: Cli, verb: str) -> None:
    batch_id = cli.submit()
    assert cli("cancel", batch_id, "--yes").code == 0
    assert_error(cli(verb, batch_id, "--yes", "--json"), 1, f"batchtui show {batch_id}")


def test_cancel_of_what_is_over_is_refused_without_a_call(cli: Cli) -> None:
    batch_id = cli.submit()
    cli.finish(batch_id)
    ended = cli("cancel", batch_id, "--yes", "--json")
    assert ended.code == 1
    assert "nothing left to cancel" in ended.json["errors"][0]["message"]
    assert cli.world.control.calls("cancel") == []


@pytest.mark.parametrize("command", ["cancel", "forget"])
def test_where_nobody_can_be_asked_yes_must_be_said(cli: Cli, command: str) -> None:
    batch_id = cli.submit()
    if command == "forget":
        cli.finish(batch_id)
    before = cli.batches()
    ended = cli(command, batch_id)
    assert (ended.code, ended.out) == (2, "")
    assert "--yes" in ended.err
    assert cli.batches() == before


def test_forget_drops_the_record_and_its_requests_but_not_the_results(cli: Cli) -> None:
    batch_id = cli.submit()
    assert cli("forget", batch_id, "--yes").code == 1
    cli.finish(batch_id)
    ended = cli("forget", batch_id, "--yes")
    assert (ended.code, ended.out) == (0, f"{batch_id}\n")
    assert cli.batches() == []
    assert list((cli.world.home / "requests").iterdir()) == []
    assert (cli.world.home / f"results/{batch_id}.jsonl").exists()
    assert [one.id for one in cli.world.control.batches()] == [batch_id]


# --once


def test_once_polls_retrieves_and_reports_to_the_letter(cli: Cli) -> None:
    first = cli.submit(name="one.jsonl", prefix="a")
    second = cli.submit(name="two.jsonl", prefix="b")
    cli.world.control.finish(first)
    before = len(cli.world.control.calls())
    ended = cli("--once", "--json")
    assert ended.code == 0, ended.err
    said = ended.json
    assert list(said) == ["schema", "batches", "retrieved", "submitted", "errors", "api_calls", "polled_by"]
    assert [(one["id"], one["state"]) for one in said["batches"]] == [(second, "in_progress"), (first, "retrieved")]
    assert (said["retrieved"], said["submitted"], said["errors"], said["polled_by"]) == ([first], [], [], None)
    assert said["api_calls"] == 2 == len(cli.world.control.calls()) - before


def test_once_prints_a_line_a_batch(cli: Cli) -> None:
    batch_id = cli.submit("--name", "nightly")
    ended = cli("--once")
    assert ended.code == 0
    (line,) = ended.out.splitlines()
    assert line.startswith(f"nightly · {batch_id} · in progress · 5 · for ")


def test_once_notes_a_look_that_found_something_in_the_log_and_no_other(cli: Cli) -> None:
    batch_id = cli.submit()
    cli("--once")
    cli("--once")
    cli.world.control.finish(batch_id)
    cli("--once")
    cli("--once")
    log = (cli.world.home / "batchtui.log").read_text()
    assert log.count("looked: 1 batch under way, 1 call") == 1, "the first proved its id; the second found nothing new"
    assert log.count(f"{batch_id} (rows) ended after ") == 1
    assert log.count(f"{batch_id} (rows) retrieved: 5 results, ") == 1
    assert log.count("looked: ") == 2


def test_once_ends_with_3_only_when_it_retrieved_what_failed(cli: Cli) -> None:
    cli.world.control.settings(errored=1.0)
    batch_id = cli.submit()
    cli.world.control.finish(batch_id)
    assert cli("--once").code == 3
    assert cli("--once").code == 0


def test_once_ends_with_1_where_a_batch_is_in_trouble(cli: Cli) -> None:
    batch_id = cli.submit()
    cli.world.control.finish(batch_id)
    cli.world.control.fault("results", Damage("garble"))
    ended = cli("--once", "--json")
    assert ended.code == 1
    (error,) = ended.json["errors"]
    assert error["batch"] == batch_id
    assert batch_id in ended.err
    assert cli("--once").code == 0


def test_once_leaves_the_polling_to_who_polls_and_says_who(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from batchtui.core.clock import utc_now
    from batchtui.core.state.poller import Election

    batch_id = cli.submit()
    calls = len(cli.world.control.calls())
    other = Election(cli.world.paths, "batchtui of another", utc_now)
    assert other.stand()
    try:
        other.announce(looked_at=utc_now() + timedelta(minutes=1), next_at=None, failing=None)
        ended = cli("--once", "--json")
    finally:
        other.resign()
    assert ended.code == 0
    assert ended.json["polled_by"]["command"] == "batchtui of another"
    assert ended.json["polled_by"].keys() == {"pid", "host", "command", "since", "looked_at", "next_at"}
    assert [one["id"] for one in ended.json["batches"]] == [batch_id]
    assert ended.json["api_calls"] == 0 == len(cli.world.control.calls()) - calls
    assert "Polled by batchtui of another" in ended.err


# The key and the connection

NEEDS_THE_API = [
    ("submit", "rows.jsonl"),
    ("retrieve", UNKNOWN),
    ("list", "--remote"),
]


@pytest.mark.parametrize("command", NEEDS_THE_API, ids=lambda command: command[0])
def test_without_a_key_it_ends_with_5_and_says_how_to_set_one(cli: Cli, command: tuple[str, ...]) -> None:
    cli.world.rows()
    ended = cli(*command, "--json", ANTHROPIC_API_KEY=None)
    assert_error(ended, 5, "No API key", "ANTHROPIC_API_KEY", "batchtui demo")
    assert cli.world.control.calls() == []
    assert cli.batches() == []


@pytest.mark.parametrize("command", NEEDS_THE_API, ids=lambda command: command[0])
def test_a_refused_key_ends_with_5_and_is_not_repeated(cli: Cli, command: tuple[str, ...]) -> None:
    cli.world.rows()
    ended = cli(*command, "--json", ANTHROPIC_API_KEY="sk-ant-refused-0009")
    assert_error(ended, 5, "refused the key from ANTHROPIC_API_KEY")
    assert "sk-ant-refused-0009" not in ended.out + ended.err
    assert cli.batches() == []


@pytest.mark.parametrize("command", NEEDS_THE_API, ids=lambda command: command[0])
def test_offline_ends_with_4_and_nothing_is_kept(cli: Cli, command: tuple[str, ...]) -> None:
    cli.world.rows()
    ended = cli(*command, "--json", ANTHROPIC_BASE_URL="http://127.0.0.1:1")
    assert_error(ended, 4, "could not be reached")
    assert cli.batches() == []


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"ANTHROPIC_API_KEY": None}, 5),
        ({"ANTHROPIC_API_KEY": "sk-ant-refused-0009"}, 5),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}, 4),
        ({"ANTHROPIC_BASE_URL": "http://192.0.2.1"}, 1),
    ],
)
def test_once_with_something_under_way_says_why_it_cannot_look(
    cli: Cli, environment: dict[str, str | None], code: int
) -> None:
    batch_id = cli.submit()
    ended = cli("--once", "--json", **environment)
    assert_error(ended, code)
    assert ended.json["errors"][0]["batch"] is None
    assert [(one["id"], one["state"]) for one in ended.json["batches"]] == [(batch_id, "in_progress")]


def test_a_key_in_an_env_file_of_this_folder_is_enough(cli: Cli) -> None:
    (cli.world.folder / ".env").write_text(f"ANTHROPIC_API_KEY={KEY}\n")
    assert cli("submit", str(cli.world.rows()), ANTHROPIC_API_KEY=None).code == 0


def test_a_key_that_cannot_be_one_ends_with_5_before_anything_is_sent(cli: Cli) -> None:
    ended = cli("submit", str(cli.world.rows()), "--json", ANTHROPIC_API_KEY="sk-ant bad\nkey")
    assert_error(ended, 5, "cannot be an API key")
    assert cli.world.control.calls() == []


# The unexpected


@pytest.mark.parametrize(
    "command", [("--once",), ("list",), ("show", "x"), ("submit", "x"), ("cancel", "x")], ids=lambda command: command[0]
)
def test_a_config_with_a_mistake_is_said_in_json_too(cli: Cli, command: tuple[str, ...]) -> None:
    cli.world.home.mkdir(mode=0o700)
    (cli.world.home / "config.toml").write_text("auto_retrieve = perhaps\n")
    ended = cli(*command, "--json")
    assert_error(ended, 1, "config.toml", "line 1")
    assert ended.json.keys() >= FIELDS.get(command[0], {"batches"})
    plain = cli(*command)
    assert (plain.code, plain.out) == (1, "")


@pytest.mark.parametrize(
    "command",
    [("--once",), ("list",), ("show", "x"), ("retrieve", "x"), ("forget", "x")],
    ids=lambda command: command[0],
)
def test_an_unreadable_state_is_said_and_stays_as_it_is(cli: Cli, command: tuple[str, ...]) -> None:
    cli.world.home.mkdir(mode=0o700)
    (cli.world.home / "state.json").write_text("{not json")
    ended = cli(*command, "--json")
    assert_error(ended, 1, "state.json")
    assert ended.json.keys() >= FIELDS.get(command[0], {"batches"})
    assert (cli.world.home / "state.json").read_text() == "{not json"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("--once", "list"),
        ("--interval", "0.01", "--once"),
        ("list", "extra"),
        ("submit",),
        ("retrieve",),
        ("export", "x"),
        ("list", "--nope"),
    ],
)
def test_what_is_not_understood_ends_with_2_and_prints_no_result(cli: Cli, arguments: tuple[str, ...]) -> None:
    ended = cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Usage: batchtui" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [("--json",), ("retrieve", "--json"), ("check", "a.jsonl", "--nope", "--json"), ("forget", "--json")],
    ids=" ".join,
)
def test_what_is_not_understood_is_said_in_json_too(cli: Cli, arguments: tuple[str, ...]) -> None:
    ended = cli(*arguments)
    assert_error(ended, 2)
    assert "Usage: batchtui" in ended.err


def test_the_live_table_needs_a_terminal(cli: Cli) -> None:
    ended = cli()
    assert (ended.code, ended.out) == (2, "")
    assert "batchtui --once" in ended.err


def test_the_help_tells_every_command_and_every_exit_code(cli: Cli) -> None:
    ended = cli("--help")
    assert ended.code == 0
    for command in ("submit", "check", "list", "show", "retrieve", "export", "cancel", "forget", "demo", "simulate"):
        assert f"\n  {command} " in ended.out
        own = cli(command, "--help")
        assert own.code == 0
        assert own.out.startswith(f"Usage: batchtui {command}")
    for code in (0, 1, 2, 3, 4, 5, 6, 130):
        assert f"\n    {code} " in ended.out


def test_every_command_that_shows_something_has_json(cli: Cli) -> None:
    for command in ("submit", "check", "list", "show", "retrieve", "export", "cancel", "forget"):
        assert "--json" in cli(command, "--help").out


def test_the_key_is_in_no_file_of_ours(cli: Cli) -> None:
    batch_id = cli.submit()
    cli.finish(batch_id)
    cli("--once", ANTHROPIC_API_KEY="sk-ant-refused-0009")
    cli("export", batch_id, "--to", "out.csv")
    files = [path for path in (*cli.world.home.rglob("*"), *cli.world.folder.rglob("*")) if path.is_file()]
    assert {"state.json", "batchtui.log", "out.csv"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert KEY.encode() not in content, path
        assert b"sk-ant-refused" not in content, path
        if path.is_relative_to(cli.world.home):
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("command", [("--once",), ("list",), ("retrieve", "x")], ids=lambda command: command[0])
def test_a_fault_that_nobody_expected_is_said_and_its_trace_is_in_the_log(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("batchtui.core.state.store.Store.snapshot", breaks)
    ended = cli(*command, "--json")
    assert_error(ended, 1, "ZeroDivisionError")
    assert "Traceback" not in ended.err
    assert "breaks" in (cli.world.home / "batchtui.log").read_text()
