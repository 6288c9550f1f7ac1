"""A key that would do nothing, or not what its owner expects, is reported."""

from __future__ import annotations

from batchtui.tui.keymap import faults
from batchtui.tui.screens import help as help_screen


def test_a_key_that_the_table_takes_first_is_said_with_both_ways_out() -> None:
    ((what, hint),) = faults({"retrieve": "g"})
    assert "retrieve" in what
    assert "the key g" in what
    assert "table.first" in hint
    assert not list(faults({"retrieve": "g", "table.first": "home", "detail.first": "home"}))


def test_a_name_that_is_no_command_is_said() -> None:
    ((what, _),) = faults({"retreive": "f5"})
    assert "retreive" in what


def test_good_keys_are_not_complained_about() -> None:
    assert not list(faults({"retrieve": "f5", "new": "a", "quit": "ctrl+q", "table.down": "n"}))


def test_the_example_of_the_help_works() -> None:
    name, _, key = help_screen.EXAMPLE.partition(" = ")
    assert not list(faults({name: key.strip('"')}))
