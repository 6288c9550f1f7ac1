"""Copying goes to the machine in front of the user, and never claims more than is known."""

from pathlib import Path

import pytest

from batchtui.tui.clipboard import copy, native


def tool(folder: Path, name: str, script: str) -> dict[str, str]:
    """A clipboard tool on its own PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}:/bin:/usr/bin"}


def refuse(text: str) -> None:
    raise AssertionError("the terminal was asked")


def test_the_tool_of_the_machine_gets_the_whole_text_on_its_stdin(tmp_path: Path) -> None:
    environment = tool(tmp_path, "xclip", f'cat > "{tmp_path}/got"; echo "$@" > "{tmp_path}/how"')
    said = copy("msgbatch_é", "auto", {**environment, "DISPLAY": ":0"}, refuse)
    assert (tmp_path / "got").read_text() == "msgbatch_é"
    assert (tmp_path / "how").read_text() == "-selection clipboard\n"
    assert said == "Copied: msgbatch_é"


@pytest.mark.parametrize("variable", ["SSH_CONNECTION", "SSH_TTY"])
def test_over_ssh_the_terminal_is_asked_because_the_tool_is_on_the_wrong_machine(tmp_path: Path, variable: str) -> None:
    environment = tool(tmp_path, "wl-copy", "exit 0") | {"WAYLAND_DISPLAY": "wayland-0", variable: "x"}
    asked: list[str] = []
    said = copy("id", "auto", environment, asked.append)
    assert asked == ["id"]
    assert said == "Sent to the terminal's clipboard: id"


def test_a_tool_that_fails_leaves_it_to_the_terminal(tmp_path: Path) -> None:
    environment = tool(tmp_path, "xclip", "exit 1") | {"DISPLAY": ":0"}
    asked: list[str] = []
    assert copy("id", "auto", environment, asked.append).startswith("Sent to the terminal")
    assert asked == ["id"]


def test_native_alone_never_writes_to_the_terminal(tmp_path: Path) -> None:
    assert copy("id", "native", {"PATH": str(tmp_path)}, refuse) == "No clipboard tool on this machine took it: id"


def test_osc52_alone_never_starts_a_tool(tmp_path: Path) -> None:
    environment = tool(tmp_path, "xclip", f'touch "{tmp_path}/ran"') | {"DISPLAY": ":0"}
    asked: list[str] = []
    copy("id", "osc52", environment, asked.append)
    assert asked == ["id"]
    assert not (tmp_path / "ran").exists()


def test_terminal_app_is_not_said_to_have_copied_what_it_ignores(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "TERM_PROGRAM": "Apple_Terminal"}
    assert "does not let programs copy" in copy("id", "osc52", environment, lambda text: None)


def test_what_was_copied_is_said_on_one_short_inert_line(tmp_path: Path) -> None:
    said = copy("a\x1b]52;c;eA==\x07\n" + "x" * 500, "osc52", {}, lambda text: None)
    assert "\x1b" not in said
    assert "\n" not in said
    assert len(said) < 130


@pytest.mark.parametrize(
    ("platform", "environment", "name"),
    [
        ("darwin", {}, "pbcopy"),
        ("linux", {"WAYLAND_DISPLAY": "w"}, "wl-copy"),
        ("linux", {"DISPLAY": ":0"}, "xsel"),
        ("linux", {"WSL_DISTRO_NAME": "u"}, "clip.exe"),
    ],
)
def test_each_desktop_has_its_tool(tmp_path: Path, platform: str, environment: dict[str, str], name: str) -> None:
    found = native(tool(tmp_path, name, "exit 0") | {"PATH": str(tmp_path)} | environment, platform)
    assert found is not None
    assert found[0] == str(tmp_path / name)


def test_without_a_desktop_there_is_no_tool(tmp_path: Path) -> None:
    assert native(tool(tmp_path, "xclip", "exit 0") | {"PATH": str(tmp_path)}, "linux") is None


def test_the_tool_gets_the_environment_that_was_given_and_no_key_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary-1")
    environment = tool(tmp_path, "xclip", f'env > "{tmp_path}/got"') | {"DISPLAY": ":0"}
    copy("x", "auto", environment, refuse)
    assert "DISPLAY=:0" in (tmp_path / "got").read_text()
    assert "ANTHROPIC" not in (tmp_path / "got").read_text()
