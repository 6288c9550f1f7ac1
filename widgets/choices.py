"""Radio buttons, where moving chooses, and marks, which space sets."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widgets import Checkbox, RadioButton, RadioSet


class Choice(RadioButton):
    """A radio button that shows whether it is chosen by more than its colour."""

    BUTTON_INNER = "○"

    def watch_value(self) -> None:
        """Fills the circle if this button is chosen."""
        self.BUTTON_INNER = "●" if self.value else "○"
        super().watch_value()
        self.refresh()


class Choices(RadioSet):
    """A set to choose one from: moving chooses, and enter is for the whole form, as in a text field."""

    class Accepted(Message):
        """Enter was pressed."""

    @property
    def chosen(self) -> str:
        """The id of the chosen button, right after the key press; `pressed_button` follows a few messages later."""
        choices = self.query(Choice)
        return (choices[self._selected].id or "") if self._selected is not None and choices else ""

    def choose(self, wanted: str) -> None:
        """Chooses a button by its id."""
        for index, choice in enumerate(self.query(Choice)):
            if choice.id == wanted:
                self._selected = index
                choice.value = True

    def action_next_button(self) -> None:
        """Chooses the next button."""
        super().action_next_button()
        self._choose()

    def action_previous_button(self) -> None:
        """Chooses the previous button."""
        super().action_previous_button()
        self._choose()

    def _choose(self) -> None:
        if self.pressed_button is not None and self._selected is not None:  # not while the set is being built
            self.query(Choice)[self._selected].value = True

    def on_key(self, event: events.Key) -> None:
        """Handles enter before it toggles a button, and moves in the order the keys arrived. A binding would run only
        after the key had passed through all the surrounding widgets."""
        match event.key:
            case "enter":
                self.post_message(self.Accepted())
            case "down" | "right":
                self.action_next_button()
            case "up" | "left":
                self.action_previous_button()
            case _:
                return
        event.stop()
        event.prevent_default()


class Mark(Checkbox):
    """A line that space marks. It shows whether it is by more than its colour, and enter is for the whole form."""

    BUTTON_INNER = " "

    class Accepted(Message):
        """Enter was pressed."""

    def watch_value(self) -> None:
        """Draws the mark."""
        self.BUTTON_INNER = "x" if self.value else " "
        super().watch_value()
        self.refresh()

    def on_key(self, event: events.Key) -> None:
        """Handles enter before it toggles the line, and moves between the lines."""
        match event.key:
            case "enter":
                self.post_message(self.Accepted())
            case "down" | "j":
                self.screen.focus_next()
            case "up" | "k":
                self.screen.focus_previous()
            case _:
                return
        event.stop()
        event.prevent_default()
