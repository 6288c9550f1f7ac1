from typing import Any

from rich.cells import cell_len

from batchtui.core.batches.batch import State
from batchtui.widgets.glyphs import look
from batchtui.widgets.segments import TONES


def test_every_state_has_a_look_of_its_own_without_colour(make: Any) -> None:
    for plain in (False, True):
        looks = [look(make(state=state), plain) for state in State]
        assert len({each.glyph for each in looks}) == len({each.word for each in looks}) == len(State)
        assert all(cell_len(each.glyph) == 1 and each.tone in TONES for each in looks)
        assert all(each.glyph.isascii() for each in looks) or not plain


def test_the_word_is_the_state_in_words(make: Any) -> None:
    assert look(make(state=State.IN_PROGRESS)).word == "in progress"
    assert look(make(state=State.RETRIEVED)).word == "retrieved"
