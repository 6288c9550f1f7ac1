"""The most that a submission may cost."""

from decimal import Decimal

import pytest

from batchtui.core.batches.price import HALF, STANDARD
from batchtui.core.cost.estimate import Estimate
from batchtui.core.cost.limit import hold, hold_more, most_usd
from batchtui.core.errors import OverLimit


def estimate(likely: float | None, most: float | None) -> Estimate:
    return Estimate(
        requests=1,
        input_tokens=1,
        output_tokens=1,
        output_tokens_max=1,
        batch_usd=likely,
        batch_max_usd=most,
        standard_usd=None if likely is None else likely * 2,
        unpriced=("claude-novel-9",) if likely is None else (),
        how="",
    )


def test_a_limit_holds_against_the_highest_price_and_against_an_unknown_one() -> None:
    hold(estimate(1.0, 5.0), 5.0)
    hold(estimate(1.0, 5.0), None)
    hold(None, None)
    with pytest.raises(OverLimit, match=r"up to \$5\.00, and is likely to cost \$1\.00; the limit is \$4\.99"):
        hold(estimate(1.0, 5.0), 4.99)
    with pytest.raises(OverLimit, match="no price for claude-novel-9"):
        hold(estimate(None, None), 1000)
    with pytest.raises(OverLimit, match="Its cost is not known: nothing was sent"):
        hold(None, 1000)
    with pytest.raises(OverLimit, match="The retry was not sent: its cost is not known"):
        hold_more("The retry", None, 0.0, 1000, "how")


def test_a_limit_that_is_no_number_lets_nothing_pass() -> None:
    """TOML and the command line both accept nan, and every comparison with it is false."""
    with pytest.raises(OverLimit, match="Nothing was sent"):
        hold(estimate(1.0, 5.0), float("nan"))
    with pytest.raises(OverLimit, match="The retry was not sent"):
        hold_more("The retry", estimate(1.0, 5.0), 0.0, float("nan"), "how")


def test_without_a_batch_the_limit_is_held_against_the_standard_price() -> None:
    hold(estimate(1.0, 5.0), 10.0, STANDARD)
    with pytest.raises(OverLimit, match=r"up to \$10\.00, and is likely to cost \$2\.00; the limit is \$9\.99"):
        hold(estimate(1.0, 5.0), 9.99, STANDARD)


@pytest.mark.parametrize(("share", "most"), [(HALF, 5.0), (STANDARD, 10.0), (Decimal("0.25"), 2.5)])
def test_the_highest_price_is_that_of_the_share_that_is_paid(share: Decimal, most: float) -> None:
    assert most_usd(estimate(1.0, 5.0), share) == most


def test_a_later_step_is_held_on_top_of_what_was_spent() -> None:
    hold_more("The retry", estimate(1.0, 5.0), 15.0, 20.0, "how")
    hold_more("The retry", estimate(None, None), None, None, "how")
    with pytest.raises(OverLimit, match=r"The retry was not sent: it can cost up to \$5\.00, and is likely") as raised:
        hold_more("The retry", estimate(1.0, 5.0), 15.01, 20.0, "batchtui retrieve msgbatch_1 --max-cost USD")
    assert "$15.01 is spent or under way; the limit is $20.00" in raised.value.message
    assert raised.value.hint == "To go on: batchtui retrieve msgbatch_1 --max-cost USD"
    with pytest.raises(OverLimit, match="no price for claude-novel-9"):
        hold_more("The retry", estimate(None, None), 0.0, 20.0, "how")
    with pytest.raises(OverLimit, match="the cost of what was sent before is not known") as unknown:
        hold_more("The retry", estimate(1.0, 5.0), None, 20.0, "how")
    assert "without a limit" in unknown.value.hint
