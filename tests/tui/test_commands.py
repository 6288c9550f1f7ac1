"""The list of commands is the only place that assigns keys, and what it names exists."""

import ast
import inspect
from collections import Counter
from pathlib import Path

import pytest
from textual.screen import Screen

from batchtui.tui import app, screens
from batchtui.tui.app import BatchtuiApp
from batchtui.tui.commands import COMMANDS, Where, bindings, commands
from batchtui.tui.screens import answer, batch, batches, confirm, export, log, retry, setup, submit, trouble
from batchtui.tui.screens.help import HelpScreen

TUI = Path(app.__file__).parent
CLASSES: dict[type[Screen], Where] = {
    batches.BatchesScreen: Where.BATCHES,
    batches.PartsScreen: Where.PARTS,
    batch.BatchScreen: Where.BATCH,
    answer.AnswerScreen: Where.ANSWER,
    log.LogScreen: Where.LOG,
    HelpScreen: Where.HELP,
    setup.SetupScreen: Where.HELP,
    submit.SubmitScreen: Where.FORM,
    export.ExportScreen: Where.FORM,
    confirm.ConfirmScreen: Where.CONFIRM,
    retry.RetryScreen: Where.CONFIRM,
    trouble.TroubleScreen: Where.TROUBLE,
}


def test_every_screen_takes_its_keys_from_the_list() -> None:
    found = {
        name
        for path in Path(screens.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and (name := node.name).endswith("Screen")
    }
    assert found == {cls.__name__ for cls in CLASSES}
    for cls, where in CLASSES.items():
        assert cls.__dict__["BINDINGS"] == bindings(where), cls


def test_nothing_in_tui_binds_a_key_but_the_list() -> None:
    for path in TUI.rglob("*.py"):
        tree = ast.parse(path.read_text())
        made = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and getattr(node.func, "id", getattr(node.func, "attr", "")) in {"Binding", "bind"}
        ]
        assert not made or path.name == "commands.py", path
        keys = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert not [
            node.name
            for node in keys
            if node.name.startswith(("key_", "on_key", "_on_key")) and path.name != "commands.py"
        ]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_command_of_a_screen_has_its_action(cls: type[Screen]) -> None:
    for command in commands(CLASSES[cls]):
        owner, _, name = command.runs.rpartition(".")
        where = BatchtuiApp if owner == "app" else cls
        assert inspect.isfunction(getattr(where, f"action_{name}", None)), command.id


@pytest.mark.parametrize("where", Where)
def test_no_key_means_two_things_on_one_screen(where: Where) -> None:
    keys = Counter(key for command in commands(where) for key in command.keys.split(","))
    assert [key for key, times in keys.items() if times > 1] == []


def test_the_keys_are_those_that_people_know() -> None:
    first = {command.id: command.keys for command in commands(Where.BATCHES)}
    assert first == {
        "open": "enter",
        "new": "n",
        "retrieve": "r",
        "export": "e",
        "retry": "t",
        "cancel": "x",
        "forget": "D",
        "delete": "X",
        "copy": "y",
        "mark": "space",
        "filter": "slash",
        "sort": "s",
        "reverse": "S",
        "clear": "escape",
        "look": "R",
        "pause": "p",
        "log": "L",
        "palette": "ctrl+p,colon",
        "help": "question_mark",
        "quit": "q",
    }


@pytest.mark.parametrize("where", Where)
def test_the_footer_fits_into_eighty_columns(where: Where) -> None:
    shown = [binding for binding in bindings(where) if binding.show]
    assert len(shown) <= 7
    assert sum(len(f" {binding.key_display} {binding.description} ") for binding in shown) <= 80


def test_every_command_has_an_id_of_its_own_and_says_what_it_does() -> None:
    ids = [command.id for command in COMMANDS]
    assert len(ids) == len(set(ids))
    assert all(command.help and command.label for command in COMMANDS)


def test_the_help_of_a_command_fits_on_one_line_at_eighty_columns() -> None:
    assert [command.id for command in COMMANDS if len(command.help) > 48] == []
