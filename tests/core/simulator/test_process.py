"""The simulator as a process: it prints its URL, can be watched from outside, and is never left running."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from batchtui.core.errors import BatchtuiError
from batchtui.core.simulator.control import Control, Preload
from batchtui.core.simulator.faults import Fault, Stall, Truncate
from batchtui.core.simulator.process import Running, start_process
from batchtui.core.simulator.world import SimulatorSettings

from .conftest import KEY, Bare


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return gone(pid)


def test_it_ends_with_the_block_and_its_settings_reach_it() -> None:
    settings = SimulatorSettings(
        speed=60,
        duration=5,
        moving_counts=True,
        errored=0.1,
        expired=0.2,
        refused=0.3,
        cut=0.01,
        paused=0.02,
        unfit=0.03,
        answer_chars=99,
        clock_offset=-60,
    )
    with start_process(settings) as running:
        assert running.control.settings() == settings
    assert gone(running.pid)


def test_it_ends_when_its_parent_is_killed() -> None:
    code = (
        "import time\nfrom batchtui.core.simulator.process import start_process\n"
        "with start_process() as running:\n    print(running.pid, flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
    assert wait_until_gone(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly_even_while_a_call_is_stalled(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "batchtui.core.simulator"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        url = process.stdout.readline().decode().strip()
        control = Control(url)
        control.fault("list", Stall("before", 600))
        asking = threading.Thread(target=Bare(url).ask, args=("GET", "/v1/messages/batches"))
        asking.start()
        control.wait_for_calls("list", 1)
        process.send_signal(number)
        assert process.wait(60) == 0
        asking.join()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("fault", [None, Truncate("none"), Truncate("chunked"), Stall("mid_answer", 0.2)])
def test_a_client_that_goes_away_in_the_middle_leaves_no_trace(
    fault: Fault | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with start_process(SimulatorSettings(answer_chars=2000)) as running:
        [ended] = running.control.preload(Preload(key=KEY, requests=5000, duration=0))
        if fault:
            running.control.fault("results", fault)
        response, connection = Bare(running.url).open("GET", f"/v1/messages/batches/{ended}/results")
        assert response.read(1000)
        response.close()
        connection.close()
        time.sleep(0.3)
        assert running.control.stats().calls == {"results": 1}
    assert capsys.readouterr().err == ""


def test_a_taken_port_is_said(running: Running) -> None:
    port = int(running.url.rpartition(":")[2])
    with pytest.raises(BatchtuiError, match="Address already in use"), start_process(port=port):
        pass


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(\"No module named 'uvicorn'\")")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(BatchtuiError, match="No module named 'uvicorn'") as caught, start_process():
        pass
    assert "batchtui[demo]" in caught.value.hint


def test_it_listens_on_loopback_only(running: Running) -> None:
    listening = [one for one in psutil.Process(running.pid).net_connections() if one.status == psutil.CONN_LISTEN]
    assert [one.laddr.ip for one in listening] == ["127.0.0.1"]


def test_preloaded_batches_have_the_ages_and_the_workspace_that_were_asked(control: Control, bare: Bare) -> None:
    newest = datetime.now(UTC) - timedelta(hours=1)
    ids = control.preload(Preload(key="sk-ant-other", count=3, requests=7, created_at=newest, every=30, prefix="x-"))
    batches = control.batches()
    assert [batch.id for batch in batches] == ids
    assert [newest - batch.created_at for batch in batches] == [timedelta(seconds=30 * part) for part in range(3)]
    assert {batch.requests for batch in batches} == {7}
    assert control.custom_ids(ids[0]) == [f"x-{index}" for index in range(7)]
    assert bare.ask("GET", "/v1/messages/batches")[1]["data"] == []


def test_ten_thousand_preloaded_batches_are_listed_in_ten_pages(control: Control, bare: Bare) -> None:
    ids = control.preload(Preload(key=KEY, count=10_000, requests=1))
    seen: list[str] = []
    after = ""
    for _ in range(10):
        page = bare.ask("GET", f"/v1/messages/batches?limit=1000{after}")[1]
        seen += [batch["id"] for batch in page["data"]]
        after = f"&after_id={page['last_id']}"
    assert page["has_more"] is False
    assert seen == ids


def test_calls_are_kept_with_their_size_and_without_the_key(control: Control, running: Running) -> None:
    key = "sk-ant-secret-canary-wxyz"
    for header in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
        connection = HTTPConnection(running.url.removeprefix("http://"))
        connection.request("POST", "/v1/messages/batches?beta=true", b"12345", header)
        assert connection.getresponse().status == 400
        connection.close()
    first, second = control.calls("create")
    assert (first.body_bytes, first.complete, first.query) == (5, True, "beta=true")
    assert first.headers["authorization"] == second.headers["x-api-key"] == "…wxyz"
    assert "canary" not in repr([first, second])
    assert control.stats().calls == {"create": 2}


def test_reset_forgets_everything(control: Control, bare: Bare) -> None:
    control.preload(Preload(key=KEY))
    control.settings(speed=9.0)
    control.fault("any", Stall("before", 60))
    control.reset()
    assert bare.ask("GET", "/v1/messages/batches")[1]["data"] == []
    assert control.settings().speed == 1.0
    assert control.stats().calls == {"list": 1}


def test_a_setting_that_is_not_known_is_refused(control: Control) -> None:
    with pytest.raises(ValueError, match="unknown field"):
        control.settings(sped=2)


def test_waiting_for_calls_that_do_not_come_ends(control: Control) -> None:
    with pytest.raises(TimeoutError, match="0 of 1 create"):
        control.wait_for_calls("create", 1, timeout=0.05)


def test_the_client_needs_nothing_of_the_extra() -> None:
    code = (
        "import sys\nimport batchtui.core.simulator.process\n"
        "assert not {'starlette', 'uvicorn', 'anthropic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
