"""What the terminal is sent besides the screen: inert, short, and only while nobody looks at it."""

from __future__ import annotations

import re

import pytest

from batchtui.tui.attention import Call
from batchtui.tui.terminal_notice import BELL, LONGEST, SAVE_TITLE, notice, plain, restore_title, speaks, title
from batchtui.tui.voice import Voice

XTERM = {"TERM": "xterm-256color"}
EVIL = "a;b\x1b]52;c;aGk=\x07\x1b\\\x9c\x9d9;x\x9c\r\n\x00\x18\x1a\u202egnp" + "\U0001f600" * 300
END = "\x1b\\"
NINE, SEVEN = f"\x1b]9;batchtui: hi{END}", f"\x1b]777;notify;batchtui;hi{END}"


def test_a_text_stays_inside_its_sequence() -> None:
    said = plain(EVIL)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f;\u202e]", said)
    assert len(said) == LONGEST
    for sequence, begin in ((title(EVIL), "\x1b]2;"), (notice(EVIL, {**XTERM, "TERM_PROGRAM": "WezTerm"}), "\x1b]9;")):
        assert sequence.startswith(begin)
        assert sequence.endswith(END)
        assert sequence.count("\x1b") == 2
    assert notice(EVIL, {"TERM": "foot"}).count(";") == 3


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        (XTERM, NINE + SEVEN),
        ({**XTERM, "TERM_PROGRAM": "iTerm.app"}, NINE),
        ({"TERM": "xterm-kitty"}, NINE),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, NINE),
        ({**XTERM, "VTE_VERSION": "7800"}, SEVEN),
        ({"TERM": "rxvt-unicode-256color"}, SEVEN),
        ({"TERM": "screen-256color", "STY": "1.tty"}, ""),
        ({"TERM": "tmux-256color", "TMUX": "/x", "TERM_PROGRAM": "tmux"}, None),
    ],
)
def test_a_terminal_gets_the_form_that_it_knows(environment: dict[str, str], sent: str | None) -> None:
    inner = (NINE + SEVEN).replace("\x1b", "\x1b\x1b")
    assert notice("hi", environment) == (f"\x1bPtmux;{inner}{END}" if sent is None else sent)


@pytest.mark.parametrize("term", ["dumb", "linux", ""])
def test_a_terminal_that_would_show_sequences_gets_none(term: str) -> None:
    assert not speaks({"TERM": term})
    assert speaks(XTERM)
    said: list[str] = []
    voice = Voice(said.append, {"TERM": term}, on=True, ascii=False)
    voice.begin()
    voice.call([Call("n", "n ended.")], focused=False)
    assert (said, voice.end()) == ([], "")


def test_the_title_says_what_runs_what_ended_and_at_last_what_it_was() -> None:
    said: list[str] = []
    voice = Voice(said.append, XTERM, on=True, ascii=False)
    voice.running(2)
    assert said == []
    voice.begin()
    assert said == [SAVE_TITLE, title("batchtui: 2 under way")]
    voice.running(2)
    voice.running(1)
    voice.call([Call("nightly", "nightly ended: 3 of 4.")], focused=True)
    voice.running(0)
    voice.seen()
    assert said[2:] == [title("batchtui: 1 under way"), title("✓ nightly ended"), title("batchtui")]
    assert not any(BELL in one or "]9;" in one for one in said)
    voice.call([Call("b", "b ended."), Call("job", "job: Locked.", bad=True)], focused=False)
    assert said[5:] == [title("! job needs you"), BELL + notice("job: Locked. b ended.", XTERM)]
    assert voice.end() == restore_title()
    assert voice.end() == ""
    voice.running(7)
    assert len(said) == 7


def test_whoever_wants_none_of_it_gets_none() -> None:
    said: list[str] = []
    voice = Voice(said.append, XTERM, on=False, ascii=False)
    voice.begin()
    voice.running(2)
    voice.call([Call("n", "n ended.")], focused=False)
    assert (said, voice.end()) == ([], "")
