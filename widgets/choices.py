"""One of a few, chosen by moving."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widgets import RadioButton, RadioSet


class Choice(RadioButton):
    """A radio button that does not say by its colour alone whether it is chosen."""

    BUTTON_INNER = "○"

    def watch_value(self) -> None:
        """Fills the circle of the one that is chosen."""
        self.BUTTON_INNER = "●" if self.value else "○"
        super().watch_value()
        self.refresh()


class Choices(RadioSet):
    """Things to choose one from: moving chooses, and enter is for the whole form, as in a field."""

    class Accepted(Message):
        """Enter was pressed."""

    @property
    def chosen(self) -> str:
        """The id of what is chosen, from the very key press on: `pressed_button` follows some messages later."""
        choices = self.query(Choice)
        return (choices[self._selected].id or "") if self._selected is not None and choices else ""

    def choose(self, wanted: str) -> None:
        """Chooses by id."""
        for index, choice in enumerate(self.query(Choice)):
            if choice.id == wanted:
                self._selected = index
                choice.value = True

    def action_next_button(self) -> None:
        """Chooses the next."""
        super().action_next_button()
        self._choose()

    def action_previous_button(self) -> None:
        """Chooses the one before."""
        super().action_previous_button()
        self._choose()

    def _choose(self) -> None:
        if self.pressed_button is not None and self._selected is not None:  # not while the set is being made
            self.query(Choice)[self._selected].value = True

    def on_key(self, event: events.Key) -> None:
        """Takes enter before it toggles a button, and moves in the same order in which keys came: a binding's turn is
        only after the key has gone through all that is around."""
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
