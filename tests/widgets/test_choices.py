from typing import Any

from textual.app import App, ComposeResult

from batchtui.widgets.choices import Choice, Choices


async def test_moving_chooses_just_one_also_round_the_end_and_enter_accepts(screen_lines: Any) -> None:
    accepted: list[str | None] = []

    class ChoiceApp(App[None]):
        def compose(self) -> ComposeResult:
            with Choices():
                for name in ("one", "two", "three"):
                    yield Choice(name, value=name == "one", id=name)

        def on_choices_accepted(self) -> None:
            pressed = self.query_one(Choices).pressed_button
            accepted.append(pressed.id if pressed else None)

    app = ChoiceApp()
    async with app.run_test(size=(30, 8)) as pilot:
        seen = []
        for key in ("", "down", "down", "down", "up", "up"):
            if key:
                await pilot.press(key)
            await pilot.pause()
            seen.append([line for line in screen_lines(app) if "●" in line])
            await pilot.press("enter")
        assert accepted == ["one", "two", "three", "one", "three", "two"]
        for name, lines in zip(accepted, seen, strict=True):
            assert len(lines) == 1
            assert str(name) in lines[0]
