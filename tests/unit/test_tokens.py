"""The token estimate against counted texts, and the anchor that corrects it."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from remanence.core.exchange import (
    Image,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolReturn,
    ToolSpec,
    Turn,
)
from remanence.core.tokens import (
    IMAGE_TOKENS,
    anchor_from_overflow,
    anchored,
    estimate_parts,
    estimate_request,
    estimate_text,
    predict,
)
from remanence.core.types import TokenAnchor

# Texts of our own in 21 languages, code and data, with what the tokenizer o200k counted.
COUNTED = [
    json.loads(line)
    for line in (Path(__file__).parent / "token_counts.jsonl").read_text("utf-8").splitlines()
]


def errors() -> dict[str, float]:
    return {
        case["id"]: abs(estimate_text(case["text"]) / case["o200k_tokens"] - 1) for case in COUNTED
    }


def test_estimate_of_counted_texts_errs_by_less_than_a_tenth_in_the_mean() -> None:
    found = errors()

    assert sum(found.values()) / len(found) < 0.10


def test_estimate_of_each_counted_text_errs_by_at_most_a_quarter() -> None:
    assert {name: error for name, error in errors().items() if error > 0.25} == {}


def test_estimate_of_an_empty_text_is_zero() -> None:
    assert estimate_text("") == 0


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_estimate_of_any_text_is_positive_and_at_most_a_few_tokens_a_character(text: str) -> None:
    assert (not text) or 1 <= estimate_text(text) <= 3 * len(text) + 1


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_estimate_of_two_lines_is_about_the_sum_of_both(first: str, second: str) -> None:
    # A blank line between them keeps words apart; roundings and one line end are the slack.
    together = estimate_text(f"{first}\n{second}")

    assert together >= 0.3 * (estimate_text(first) + estimate_text(second)) - 2
    assert together <= 1.1 * (estimate_text(first) + estimate_text(second)) + 3


def test_estimate_of_parts_counts_every_kind_of_part() -> None:
    alone = estimate_parts(())

    assert estimate_parts((Text(text="seven words are said in this sentence"),)) > alone + 5
    assert estimate_parts((Reasoning(text="let me think"),)) > alone
    assert estimate_parts((Image(url="https://example.org/a.png"),)) == alone + IMAGE_TOKENS
    call = ToolCall(tool_call_id="c1", name="memory_insert", arguments='{"label": "human"}')
    assert estimate_parts((call,)) > alone + 5
    returned = ToolReturn(tool_call_id="c1", name="memory_insert", text="Name: Ann")
    assert estimate_parts((returned,)) > alone + 3


def test_estimate_of_a_request_counts_system_turns_and_tools() -> None:
    bare = Request(handle="p/m", system="Be kind.", turns=(turn("Hello there"),))
    tool = ToolSpec(name="look", description="Look around.", parameters={"type": "object"})

    with_tool = Request(handle="p/m", system="Be kind.", turns=bare.turns, tools=(tool,))
    with_turn = Request(handle="p/m", system="Be kind.", turns=(*bare.turns, turn("And again")))

    assert estimate_request(with_tool) > estimate_request(bare) + 8
    assert estimate_request(with_turn) > estimate_request(bare) + 4


def turn(text: str) -> Turn:
    return Turn(role="user", parts=(Text(text=text),))


def test_predict_without_an_anchor_adds_a_margin() -> None:
    assert predict(TokenAnchor(), 1000) == 1150


def test_predict_with_an_anchor_adds_only_the_difference() -> None:
    anchor = anchored(TokenAnchor(), reported=2000, estimate=1000)

    assert anchor == TokenAnchor(prompt_tokens=2000, estimate=1000, ratio=2.0)
    assert predict(anchor, 1000) == 2000
    assert predict(anchor, 1100) == 2200
    assert predict(anchor, 900) == 1800


def test_predict_after_the_window_shrank_to_little_is_still_positive() -> None:
    anchor = TokenAnchor(prompt_tokens=100, estimate=1000, ratio=1.0)

    assert predict(anchor, 10) == 1


def test_anchored_twice_moves_the_ratio_by_three_tenths() -> None:
    first = anchored(TokenAnchor(), reported=1000, estimate=1000)

    second = anchored(first, reported=2000, estimate=1000)

    assert second.ratio == 0.7 * 1.0 + 0.3 * 2.0
    assert second.prompt_tokens == 2000


def test_anchored_with_an_absurd_report_keeps_the_ratio_within_bounds() -> None:
    assert anchored(TokenAnchor(), reported=1, estimate=10_000).ratio == 0.25
    assert anchored(TokenAnchor(), reported=10_000, estimate=0).ratio == 6.0


@settings(max_examples=40, deadline=None)
@given(
    density=st.floats(0.5, 3.0),
    deltas=st.lists(st.integers(10, 400), min_size=3, max_size=12),
)
def test_predict_follows_a_provider_that_counts_differently(
    density: float, deltas: list[int]
) -> None:
    anchor = TokenAnchor()
    estimate = 1_000
    for delta in deltas:
        anchor = anchored(anchor, reported=round(estimate * density), estimate=estimate)
        estimate += delta

    assert abs(predict(anchor, estimate) / (estimate * density) - 1) < 0.01


@settings(max_examples=40, deadline=None)
@given(
    window=st.integers(1_000, 200_000),
    estimate=st.integers(100, 300_000),
    reported=st.integers(0, 100_000),
)
def test_anchor_from_overflow_predicts_more_than_the_window(
    window: int, estimate: int, reported: int
) -> None:
    before = TokenAnchor(prompt_tokens=reported, estimate=estimate, ratio=1.0)

    anchor = anchor_from_overflow(before, window=window, estimate=estimate)

    assert predict(anchor, estimate) > window
    assert predict(anchor, estimate * 2) > predict(anchor, estimate)
