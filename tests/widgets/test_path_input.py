import os
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.events import Paste
from textual.widgets import Input

from batchtui.widgets.path_input import PathInput, complete, expanded, pasted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "deep.jsonl").touch()
    (tmp_path / "data.txt").touch()
    (tmp_path / "dates.jsonl").touch()
    (tmp_path / ".hidden").touch()
    (tmp_path / "evil\x1b[2J").touch()
    return tmp_path


def test_a_path_completes_to_a_wanted_file_then_a_folder_then_the_rest(folder: Path) -> None:
    assert complete(f"{folder}/da", (".jsonl",)) == f"{folder}/dates.jsonl"
    assert complete(f"{folder}/dat") == f"{folder}/data/"
    assert complete(f"{folder}/data.") == f"{folder}/data.txt"
    assert complete(f"{folder}/data/") == f"{folder}/data/deep.jsonl"


def test_what_is_complete_absent_hidden_or_unprintable_is_not_offered(folder: Path) -> None:
    assert complete(f"{folder}/data.txt") is None
    assert complete(f"{folder}/zzz") is None
    assert complete(f"{folder}/nowhere/x") is None
    assert complete(f"{folder}/evil") is None
    assert complete(f"{folder}/data\x00/x") is None
    assert complete(f"{folder}/.h") == f"{folder}/.hidden"
    assert not (complete(f"{folder}/") or "").endswith(".hidden")


def test_the_home_folder_is_meant_by_a_tilde_and_stays_one_as_typed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert complete("~/date") == "~/dates.jsonl"
    assert expanded(" ~/dates.jsonl ") == folder / "dates.jsonl"
    assert expanded("  ") is None


def test_a_name_without_a_folder_is_looked_for_in_the_current_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert complete("date") == "dates.jsonl"
    assert complete("data" + os.sep + "d") == "data/deep.jsonl"


async def test_tab_completes_at_once_and_with_nothing_to_complete_goes_on(folder: Path) -> None:
    changes: list[str] = []

    class PathApp(App[None]):
        def compose(self) -> ComposeResult:
            yield PathInput(endings=(".jsonl",), id="path")
            yield Input(id="next")

        def on_input_changed(self, event: Input.Changed) -> None:
            changes.append(event.value)

    app = PathApp()
    async with app.run_test(size=(120, 10)) as pilot:
        field = app.query_one("#path", PathInput)
        field.focus()
        field.value = f"{folder}/dates"
        field.action_end()
        await pilot.press("tab")  # before any suggestion is there
        assert expanded(field.value) == folder / "dates.jsonl"
        assert app.focused is field
        await pilot.press("tab")
        assert app.focused is app.query_one("#next")
        assert changes[-1] == f"{folder}/dates.jsonl"


@pytest.mark.parametrize(
    "text",
    [
        "'/data/my rows.jsonl'",
        '"/data/my rows.jsonl" ',
        "/data/my\\ rows.jsonl",
        "file:///data/my%20rows.jsonl\r\n",
        "file://host/data/my%20rows.jsonl",
        "\n/data/my rows.jsonl\n",
    ],
)
def test_a_dragged_file_is_the_path_that_is_meant(text: str) -> None:
    assert pasted(text) == "/data/my rows.jsonl"


@pytest.mark.parametrize("text", ["/data/it's", "'/a' '/b'", "~/rows.jsonl", "out/{custom_id}.md", ""])
def test_what_is_no_quoted_path_stays_as_it_is_pasted(text: str) -> None:
    assert pasted(text) == text


def test_a_file_whose_name_has_quotes_or_backslashes_is_meant_if_it_is_there(tmp_path: Path) -> None:
    for name in ("'quoted'", "a\\ b"):
        (tmp_path / name).touch()
        assert pasted(str(tmp_path / name)) == str(tmp_path / name)


async def test_a_dragged_file_can_be_pasted_into_the_input() -> None:
    class One(App[None]):
        def compose(self) -> ComposeResult:
            yield PathInput()

    app = One()
    async with app.run_test() as pilot:
        app.query_one(PathInput).focus()
        app.post_message(Paste("\n'/data/my rows.jsonl'\n"))
        await pilot.pause()
        assert app.query_one(PathInput).value == "/data/my rows.jsonl"
