from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest
from support.states import a_state, said

from remanence.core.anchors import anchors_of, completed, missing_from
from remanence.core.exchange import Reply, Text
from remanence.core.summarize import (
    again,
    finished,
    judge_summary,
    source_of_messages,
    summary_request,
)

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

STATE = a_state(window=LEAVING)
SOURCE = source_of_messages(STATE, LEAVING, UTC)


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

    verdict = judge_summary(answered(text), SOURCE)

    assert finished(verdict, SOURCE, STATE) == text
    assert not verdict.is_poor


def test_summary_that_drops_too_much_is_poor_and_is_completed() -> None:
    verdict = judge_summary(answered("They talked about a trip and a bill."), SOURCE)

    assert verdict.is_poor
    text = finished(verdict, SOURCE, STATE)
    assert text is not None
    assert "4711" in text
    assert "INV-2231" in text


@pytest.mark.parametrize(
    "reply",
    [
        None,
        answered(""),
        answered("cut off in the", "length"),
        answered("".join(f"long {number} " for number in range(2_000))),
        answered("I will summarise now.\n" * 12),
    ],
    ids=["nothing", "empty", "cut off", "longer than what it replaces", "repeats itself"],
)
def test_answer_that_is_no_summary_gives_no_text(reply: Reply | None) -> None:
    assert finished(judge_summary(reply, SOURCE), SOURCE, STATE) is None


def test_summary_that_names_what_nobody_said_is_asked_for_again_and_loses_those_sentences() -> None:
    lie = "They met Rosa Luxemburg in Paris. Her code is 9999."
    verdict = judge_summary(answered(f"Met Marie Curie; code 4711.\n{lie}"), SOURCE)

    assert verdict.is_poor
    assert verdict.invented == ("Rosa Luxemburg", "9999")
    asked = again(summary_request(STATE, SOURCE), verdict).turns[-1].parts[0]
    assert "9999" in asked.text  # type: ignore[union-attr]
    text = finished(verdict, SOURCE, STATE)
    assert text is not None
    assert text.startswith("Met Marie Curie; code 4711.")
    assert "Rosa" not in text
    assert "9999" not in text


def test_summary_of_lies_alone_gives_no_text() -> None:
    verdict = judge_summary(answered("They met Rosa Luxemburg, code 9999."), SOURCE)

    assert finished(verdict, SOURCE, STATE) is None


def test_dates_spelled_out_and_nouns_of_german_are_no_lies() -> None:
    german = said(
        "Ich habe das Auto meiner Tante im Garten der Familie abgestellt, und der Hund liegt seit "
        "heute Morgen in der Sonne vor dem Haus, weil die Kinder in der Schule sind.",
        1,
    )
    source = source_of_messages(STATE, (german, *LEAVING[1:2]), UTC)

    assert not judge_summary(answered("Am 14 March, sagt der User, INV-2231."), SOURCE).invented
    told = judge_summary(answered("Der Nutzer parkt den Wagen beim Anwesen, INV-2231."), source)
    assert not told.invented


def test_clip_chars_bounds_a_summary_at_a_line() -> None:
    settings = replace(STATE.agent.compaction_settings, clip_chars=40)
    state = replace(STATE, agent=replace(STATE.agent, compaction_settings=settings))
    text = "Met Marie Curie in Paris; code 4711.\nAnd much more about INV-2231."

    clipped = finished(judge_summary(answered(text), SOURCE), SOURCE, state)

    assert clipped == "Met Marie Curie in Paris; code 4711."


def test_acknowledgement_stands_before_the_transcript_when_it_is_asked_for() -> None:
    settings = replace(STATE.agent.compaction_settings, prompt_acknowledgement=True)
    state = replace(STATE, agent=replace(STATE.agent, compaction_settings=settings))

    turns = summary_request(state, SOURCE).turns

    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    assert "4711" in turns[-1].parts[0].text  # type: ignore[union-attr]


def test_transcript_leaves_out_notes_of_ours() -> None:
    note = said("Core memory was changed: secret.", 4, "system", step_id="step-1")

    assert source_of_messages(STATE, (*LEAVING, note), UTC).text == SOURCE.text
    assert source_of_messages(STATE, (note,), UTC).text == "(nothing was said)"
