from typing import Any

import pytest
from msgspec import json
from textual.app import App, ComposeResult

from batchtui.widgets.empty import EXAMPLE, Empty, no_batches, no_key, no_matches


class EmptyApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Empty()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (no_batches("N"), ["No batches yet", "Press N ", "batchtui demo"]),
        (no_matches("[/x] eval", 40), ["Nothing matches [/x] eval", "40 batches", "esc"]),
        (no_key(), ["No API key", "export ANTHROPIC_API_KEY=", ".env", "batchtui demo"]),
    ],
)
async def test_an_empty_room_says_why_and_what_to_do(lines: Any, words: list[str], screen_lines: Any) -> None:
    app = EmptyApp()
    async with app.run_test(size=(140, 20)) as pilot:
        app.query_one(Empty).show(lines)
        await pilot.pause()
        seen = "\n".join(screen_lines(app))
        assert [word for word in words if word not in seen] == []


def test_the_example_is_a_line_of_a_valid_file() -> None:
    assert set(json.decode(EXAMPLE.replace("[...]", "[]"))) == {"custom_id", "params"}
