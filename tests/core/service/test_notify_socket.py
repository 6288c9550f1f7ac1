"""What the service manager is told, seen on sockets like its own."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from batchtui.core.service.notify_socket import NotifySocket


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, str]]:
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has abstract sockets")
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = f"@batchtui-test-{os.getpid()}" if request.param == "abstract" else str(Path(folder) / "notify")
        listening.bind(name.replace("@", "\0") if name.startswith("@") else name)
        listening.setblocking(False)
        yield listening, name


def said(listening: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(listening.recv(4096).decode())
        except BlockingIOError:
            return found


def test_each_message_is_one_datagram(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    notify = NotifySocket({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "180000000"})
    assert notify.watchdog == 180.0
    notify.ready("Polls")
    notify.status("3 batches under way")
    notify.alive()
    notify.stopping("Ends")
    assert said(listening) == [
        "READY=1\nSTATUS=Polls",
        "STATUS=3 batches under way",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=Ends",
    ]
    notify.reloading()
    reloading, when = said(listening)[0].split("\n")
    assert (reloading, when.partition("=")[0]) == ("RELOADING=1", "MONOTONIC_USEC")
    assert int(when.partition("=")[2]) > 0


def test_a_status_is_told_once_and_cannot_pose_as_another_message(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    notify = NotifySocket({"NOTIFY_SOCKET": name})
    notify.status("down\nWATCHDOG=1\x1b[31m")
    notify.status("down\nWATCHDOG=1\x1b[31m")
    assert said(listening) == ["STATUS=down WATCHDOG=1\ufffd[31m"]


@pytest.mark.parametrize("named", ["", "/", "@", "notify", "vsock:2:1234", "/no/such/socket", "/" + "x" * 200])
def test_without_a_socket_that_can_be_reached_nothing_happens(named: str) -> None:
    notify = NotifySocket({"NOTIFY_SOCKET": named})
    notify.ready("Polls")
    notify.alive()
    notify.stopping("Ends")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_read_unless_it_is_meant_for_another_process(
    given: dict[str, str], seconds: float | None
) -> None:
    assert NotifySocket({"NOTIFY_SOCKET": "/run/systemd/notify", **given}).watchdog == seconds
    assert NotifySocket(given).watchdog is None


def test_a_manager_that_does_not_read_holds_nothing_up(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    notify = NotifySocket({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1"})
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    with sender, pytest.raises(BlockingIOError):
        for _ in range(10_000):
            sender.sendto(b"x" * 100, name.replace("@", "\0") if name.startswith("@") else name)
    notify.alive()
