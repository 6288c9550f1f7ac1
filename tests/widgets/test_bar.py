from datetime import timedelta

import pytest

from batchtui.core.batches.progress import Counted, Progress, Waiting
from batchtui.widgets.bar import bar
from batchtui.widgets.segments import TONES, cells

MINUTES = timedelta(minutes=1)


def text(progress: Progress, width: int, *, plain: bool = False, failed: int = 0) -> str:
    return "".join(part for part, _ in bar(progress, width, plain, failed))


@pytest.mark.parametrize(
    ("progress", "failed", "drawn", "plain"),
    [
        (Counted(0, 2000), 0, "───────────────   0%", "---------------   0%"),
        (Counted(1240, 2000), 0, "█████████▎─────  62%", "#########------  62%"),
        (Counted(1999, 2000), 0, "██████████████▉  99%", "##############-  99%"),
        (Counted(2000, 2000), 0, "███████████████ 100%", "############### 100%"),
        (Counted(2000, 2000), 1, "██████████████▒ 100%", "##############! 100%"),
        (Counted(2000, 2000), 2000, "▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒ 100%", "!!!!!!!!!!!!!!! 100%"),
        (Waiting(24 * MINUTES, 48 * MINUTES), 0, "≈━━━━━━━╸─────── 24m", "~=======........ 24m"),
        (Waiting(9000 * MINUTES, 48 * MINUTES), 0, "≈━━━━━━━━━━━━─ 6d 6h", "~============. 6d 6h"),
        (Waiting(12 * MINUTES, None), 0, "┈┈┈┈┈ 12m, limit 24h", "..... 12m, limit 24h"),
        (Waiting(185 * MINUTES, None), 0, "┈┈┈┈┈┈┈┈┈┈┈┈┈ 3h 05m", "............. 3h 05m"),
        (None, 0, " " * 20, " " * 20),
        (Counted(0, 0), 0, " " * 20, " " * 20),
    ],
)
def test_the_bar_reads(progress: Progress, failed: int, drawn: str, plain: str) -> None:
    assert text(progress, 20, failed=failed) == drawn
    assert text(progress, 20, failed=failed, plain=True) == plain


@pytest.mark.parametrize("plain", [False, True])
def test_the_bar_takes_its_width_exactly_and_only_known_tones(plain: bool) -> None:
    for width in range(40):
        for progress in (
            *(Counted(done, 7) for done in range(8)),
            Counted(99_999, 100_000),
            Waiting(timedelta(), None),
            Waiting(1437 * MINUTES, None),
            Waiting(timedelta(seconds=5), timedelta()),
            Waiting(50 * MINUTES, 51 * MINUTES),
        ):
            for failed in (0, 1, 3):
                segments = bar(progress, width, plain, min(failed, getattr(progress, "done", 0)))
                assert cells(segments) == width, (progress, width)
                assert {tone for _, tone in segments} <= set(TONES)
                assert not plain or "".join(part for part, _ in segments).replace("…", "").isascii()


def test_a_percentage_is_never_claimed_while_the_counts_stand_still() -> None:
    for minutes in range(0, 3000, 7):
        for usual in (None, timedelta(), 60 * MINUTES):
            for width in range(40):
                assert "%" not in text(Waiting(minutes * MINUTES, usual), width)


def test_a_hundred_percent_means_every_request_is_done() -> None:
    assert [done for done in range(201) if "100%" in text(Counted(done, 200), 20)] == [200]
    assert [done for done in range(201) if "█" * 15 in text(Counted(done, 200), 20)] == [200]


def test_waiting_never_looks_finished() -> None:
    for width in range(12, 60):
        assert "─" in text(Waiting(9000 * MINUTES, MINUTES), width) or "╸" in text(
            Waiting(9000 * MINUTES, MINUTES), width
        )


def test_failed_requests_differ_by_texture_and_tone() -> None:
    segments = bar(Counted(2000, 2000), 20, failed=500)
    assert segments[0] == ("█" * 11, "good")
    assert segments[1] == ("▒" * 4, "bad")
