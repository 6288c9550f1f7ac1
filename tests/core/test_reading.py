"""A file that never ends, is no file, or takes all memory is refused by its kind and size."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from batchtui.core.errors import BadInput
from batchtui.core.reading import read_text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/dev/zero", "/dev/zero is a device, not a file."),
        ("/dev/null", "/dev/null is a device, not a file."),
        ("/proc/self/environ", "/proc/self/environ is made up by the system, not a file."),
        ("/proc/self/mem", "is made up by the system"),
        ("folder", "folder is a folder, not a file."),
        ("pipe", "pipe is a pipe, not a file."),
        ("link", "link is a device, not a file."),
        ("socket", "socket is a socket, not a file."),
        ("none", "none does not exist."),
        ("text/x", "text/x cannot be read: Not a directory."),
        ("round", "round cannot be read: Too many levels of symbolic links."),
        ("x" * 300, "x cannot be read: File name too long."),
        ("large", "large has over 10 bytes."),
        ("latin", "latin, line 1: it is not UTF-8 text."),
        ("a\0b", "is not a path"),
    ],
)
def test_what_is_no_ordinary_file_is_said(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("/") and not os.path.exists(name):  # noqa: PTH110
        pytest.skip(f"no {name} here")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "text").write_text("text")
    (tmp_path / "large").write_text("x" * 11)
    (tmp_path / "latin").write_bytes(b"\xe9")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(BadInput) as refused:
            read_text(Path(name), 10)
    assert said in refused.value.message
    assert refused.value.hint


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbftext")
    assert read_text(tmp_path / "a") == "text"
