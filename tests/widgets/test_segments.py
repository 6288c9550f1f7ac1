import pytest
from rich.cells import cell_len

from batchtui.widgets.segments import cells, content, cut, fit


@pytest.mark.parametrize("align", ["left", "right"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "日本語の長い名前",
        "👨‍👩‍👧👍🏽🇩🇪",
        "e\u0301" * 30,
        "\x1b[2J\x07\t\n\u202e",
        "x" * 10_000,
        "\u0301" * 5000,
    ],
)
def test_fitted_text_takes_exactly_its_width(text: str, align: str) -> None:
    for width in range(30):
        segments = fit(((text, "good"), (" tail", "")), width, align)
        assert cells(segments) == width
        assert cell_len("".join(part for part, _ in segments)) == width


def test_cut_text_says_that_it_is_cut() -> None:
    assert cut("nightly-eval", 8) == "nightly…"
    assert cut("nightly", 7) == "nightly"
    assert cut("日本語", 4) == "日 …"


def test_right_aligned_text_is_padded_on_the_left() -> None:
    assert fit((("12", ""),), 5, "right") == (("   ", ""), ("12", ""))


def test_content_takes_text_literally() -> None:
    hostile = "[/x] [@click=app.quit]x[/] [bold]"
    assert content([(hostile, "bad")], [], [("next", "")]).plain == f"{hostile}\n\nnext"
    assert content([("a\x1b]52;c;eA==\x07b\nc", "")]).plain == "a�]52;c;eA==�b c"
