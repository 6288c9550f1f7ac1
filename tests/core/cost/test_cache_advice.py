"""What a cache costs or saves, by the documented prices and hit rates, computed by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batchtui.core.cost.cache_advice import Advice, Range, advice, advise, in_words
from batchtui.core.cost.cacheable import smallest
from batchtui.core.cost.shared_prefix import Shared
from batchtui.core.cost.system_cache import decision

AT = datetime(2026, 11, 20, tzinfo=UTC)


def shared(
    requests: int = 1000, tokens: float = 2000, model: str = "claude-sonnet-5-5", marked: bool = False
) -> Shared:
    return Shared(model, requests, (0.0, tokens, 0.0), True, marked)


def made(*args: object, **more: object) -> Advice:
    return advice(shared(*args, **more), AT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        # https://platform.claude.com/docs/en/build-with-claude/prompt-caching#cache-limitations
        ("claude-opus-5-5", 512),
        ("claude-haiku-5-5", 512),
        ("claude-fable-5-1", 512),
        ("claude-opus-4-8", 1024),
        ("claude-sonnet-5", 1024),
        ("claude-sonnet-4-5-20250929", 1024),
        ("claude-opus-4-7", 2048),
        ("claude-mythos-preview", 2048),
        ("claude-opus-4-6", 4096),
        ("claude-opus-4-5-20251101", 4096),
        ("claude-haiku-4-5", 4096),
        ("claude-novel-9", None),
    ],
)
def test_each_model_caches_from_its_own_length_on(model: str, tokens: int | None) -> None:
    assert smallest(model) == tokens


def test_writes_cost_more_reads_cost_less_and_both_are_halved_in_a_batch() -> None:
    """2M tokens at 1 dollar a million in a batch; written at 1.25 or 2, read at 0.05 of that with this model."""
    found = made()
    assert found.plain_usd == pytest.approx(2.0)
    assert found.usd is not None
    low, high = 0.02 * 2, 0.7 * 2  # million tokens written: 20 of 1,000 requests, 700 of 1,000
    for ttl, write in (("5m", 1.25), ("1h", 2.0)):
        expected = [low * write + 0.98 * 2 * 0.05, high * write + 0.3 * 2 * 0.05]
        assert found.usd[ttl] == Range(pytest.approx(expected[0]), pytest.approx(expected[1]))  # type: ignore[index]
    assert found.worth == "1h"


@pytest.mark.parametrize(("requests", "worth"), [(2, None), (3, None), (5, "1h"), (100, "1h")])
def test_the_first_request_always_writes_so_a_few_are_not_worth_it(requests: int, worth: str | None) -> None:
    assert made(requests).worth == worth


@pytest.mark.parametrize(("tokens", "long", "worth"), [(511, False, None), (512, True, "1h")])
def test_what_the_model_does_not_cache_is_never_worth_it(tokens: int, long: bool, worth: str | None) -> None:
    found = made(tokens=tokens)
    assert (found.long_enough, found.worth) == (long, worth)


def test_the_words_name_what_is_shared_what_it_costs_and_on_what_assumption() -> None:
    first, second = in_words(made(), job=True)
    assert first == (
        "cache: 1,000 requests begin with the same ~2,000 tokens (system); claude-sonnet-5-5 can cache them "
        "(enough from 512 on)"
    )
    assert second == (
        "    $2.00 without a cache; for 5 minutes $1.85 to $0.22 less, for an hour $1.82 less to $0.83 more "
        '(if 98% to 30% read it, and batches often take longer than 5 minutes): system_cache = "1h"'
    )
    assert '"cache_control": {"type": "ephemeral", "ttl": "1h"}' in in_words(made(), job=False)[1]


def test_it_is_said_only_where_it_matters() -> None:
    assert in_words(None, job=False) == []
    assert in_words(made(9), job=False) == []
    assert in_words(made(tokens=500), job=False) == []
    assert in_words(made(marked=True), job=False) == []
    [short] = in_words(made(model="claude-haiku-4-5"), job=False)
    assert short.endswith("too few, claude-haiku-4-5 caches 4,096 or more")


def test_of_several_models_the_one_that_shares_most_is_told() -> None:
    found = advise([shared(10), shared(500, model="claude-haiku-5-5"), shared(1, 90_000), shared(900, 0)], AT)
    assert found
    assert (found.shared.model, found.shared.requests) == ("claude-haiku-5-5", 500)
    assert advise([shared(1), shared(9, 0)], AT) is None


def test_a_model_without_a_price_is_not_advised_and_costs_nothing_known() -> None:
    found = made(model="claude-novel-9")
    assert (found.plain_usd, found.usd, found.worth, found.long_enough) == (None, None, None, True)
    assert len(in_words(found, job=False)) == 1


def test_auto_takes_a_cache_only_if_the_advice_does_and_a_wish_is_always_followed() -> None:
    differs = advice(Shared("claude-sonnet-5-5", 100, (900.0, 0.0, 0.0), False, False), AT)
    cases = [
        (made(), "1h", "kept for an hour, ~2,000 tokens"),
        (made(tokens=100), None, "~100 tokens are too few, claude-sonnet-5-5 caches 512 or more"),
        (made(2), None, "too few requests would read it"),
        (made(marked=True), None, "the requests have cache marks of their own"),
        (made(model="claude-novel-9"), None, "no price is known for claude-novel-9"),
        (differs, None, "it is not the same in all requests"),
    ]
    for given, ttl, words in cases:
        found = decision("auto", given)
        assert (found.ttl, found.words) == (ttl, words)
        assert decision("5m", given).ttl == "5m"


def test_a_beginning_that_could_be_shared_is_said_if_nothing_else_is() -> None:
    found = advise([Shared("claude-sonnet-5-5", 200, (0.0, 0.0, 0.0), False, False, 3000)], AT)
    [line] = in_words(found, job=True)
    assert "all 200 requests begins with the same ~3,000 tokens" in line
    assert found
    assert (found.worth, found.long_enough) == (None, False)
    assert in_words(advise([Shared("claude-sonnet-5-5", 200, (0.0, 0.0, 0.0), False, False, 300)], AT), job=True) == []
