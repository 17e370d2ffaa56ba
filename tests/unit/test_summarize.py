from __future__ import annotations

import pytest
from support.states import said

from remanence.core.anchors import anchors_of, completed, missing_from
from remanence.core.exchange import Reply, Text
from remanence.core.summarize import finished, judge_summary

LEAVING = tuple(
    said(text, seq)
    for seq, text in enumerate(
        (
            "Hello, we met Marie Curie in Paris, and she gave us the code 4711.",
            "The invoice INV-2231 over €1,200 is due on 2026-03-14, see https://example.org/a?b=1.",
            "Please " + "go on and on about nothing in particular, as one does. " * 12,
        ),
        start=1,
    )
)


def answered(text: str, finish: str = "stop") -> Reply:
    return Reply(parts=(Text(text=text),), finish=finish)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "anchors"),
    [
        ("We met Marie Curie in Paris.", ("Marie Curie", "Paris")),
        ("It costs €1,200 or $5.", ("€1,200", "$5")),
        ("Mail ada@example.org by 2026-03-14.", ("ada@example.org", "2026-03-14")),
        ('She calls it "the blue door".', ("the blue door",)),
        ("Run `make test`, then set my_value.", ("make test", "my_value")),
        ("他住在「上海」，电话 13800001111。", ("上海", "13800001111")),  # noqa: RUF001
        ("Nothing here.", ()),
        ("so I said I'm fine, OK", ()),
    ],
)
def test_anchors_of_finds_what_may_not_be_lost(text: str, anchors: tuple[str, ...]) -> None:
    assert anchors_of(text) == anchors


def test_missing_from_does_not_mind_case_and_blanks() -> None:
    assert missing_from("marie  curie was there", ("Marie Curie", "4711")) == ("4711",)


def test_completed_stays_within_its_limit() -> None:
    text = completed("Short.", [f"name{n}" for n in range(100)], 80)

    assert len(text) <= 80
    assert text.startswith("Short.\nAlso mentioned: name0, name1")


def test_summary_that_keeps_the_anchors_stands_as_it_is() -> None:
    text = (
        "Met Marie Curie in Paris; code 4711. Invoice INV-2231, €1,200, due 2026-03-14, "
        "https://example.org/a?b=1."
    )

    verdict = judge_summary(answered(text), LEAVING)

    assert finished(verdict, 100) == text
    assert not verdict.is_thin


def test_summary_that_drops_too_much_is_thin_and_is_completed() -> None:
    verdict = judge_summary(answered("They talked about a trip and a bill."), LEAVING)

    assert verdict.is_thin
    text = finished(verdict, 100)
    assert text is not None
    assert "4711" in text
    assert "INV-2231" in text


@pytest.mark.parametrize(
    "reply",
    [None, answered(""), answered("cut off in the", "length"), answered("long " * 2_000)],
    ids=["nothing", "empty", "cut off", "longer than what it replaces"],
)
def test_answer_that_is_no_summary_gives_no_text(reply: Reply | None) -> None:
    assert finished(judge_summary(reply, LEAVING), 100) is None
