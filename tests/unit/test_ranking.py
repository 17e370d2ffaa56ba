from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remanence.core.answer_words import answer_words
from remanence.core.ranking import (
    MAX_QUESTION_CHARS,
    clean,
    fit_to_budget,
    understand,
)
from remanence.core.thesaurus import MAX_RELATED, related_words
from remanence.core.time_words import MAX_SPANS, find_spans

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)  # a Wednesday


def spans(question: str) -> list[tuple[str, str]]:
    return [(f"{s.start:%Y-%m-%d}", f"{s.end:%Y-%m-%d}") for s in find_spans(question, NOW)]


@pytest.mark.parametrize(
    ("question", "first", "after"),
    [
        ("What did I say on 2023-05-08?", "2023-05-08", "2023-05-09"),
        ("What happened on 7 July, 2023?", "2023-07-07", "2023-07-08"),
        ("the party of October 13th, 2023", "2023-10-13", "2023-10-14"),
        ("Who came on the 3rd of May 2024?", "2024-05-03", "2024-05-04"),
        ("Where was she in May 2023?", "2023-05-01", "2023-06-01"),
        ("What did I plan in March?", "2026-03-01", "2026-04-01"),
        ("What did we do last December?", "2025-12-01", "2026-01-01"),
        ("2025年3月6日我在哪里", "2025-03-06", "2025-03-07"),
        ("2025年3月我在哪里", "2025-03-01", "2025-04-01"),
        ("3月6日说了什么", "2026-03-06", "2026-03-07"),
        ("what did I eat yesterday", "2026-11-24", "2026-11-25"),
        ("昨天我吃了什么", "2026-11-24", "2026-11-25"),
        ("前天开会了吗", "2026-11-23", "2026-11-24"),
        ("上周我买了什么", "2026-11-16", "2026-11-23"),
        ("what did I buy last week", "2026-11-16", "2026-11-23"),
        ("先週何を買いましたか", "2026-11-16", "2026-11-23"),
        ("지난주에 뭐 샀지", "2026-11-16", "2026-11-23"),
        ("что я купил на прошлой неделе", "2026-11-16", "2026-11-23"),
        ("ماذا اشتريت الأسبوع الماضي", "2026-11-16", "2026-11-23"),
        ("was habe ich letzte Woche gekauft", "2026-11-16", "2026-11-23"),
        ("was war gestern", "2026-11-24", "2026-11-25"),
        ("last month's rent", "2026-10-01", "2026-11-01"),
        ("去年的旅行", "2025-01-01", "2026-01-01"),
        ("three days ago", "2026-11-22", "2026-11-23"),
        ("三天前说的", "2026-11-22", "2026-11-23"),
        ("what happened last Wednesday", "2026-11-18", "2026-11-19"),
        ("am 3. Mai 2024 in Wien", "2024-05-03", "2024-05-04"),
        ("on 31 February 2023", "2023-02-01", "2023-03-01"),
        ("5 мая 2024", "2024-05-05", "2024-05-06"),
    ],
)
def test_find_spans_reads_the_times_of_many_languages(
    question: str, first: str, after: str
) -> None:
    assert spans(question) == [(first, after)]


@pytest.mark.parametrize(
    "question",
    [
        "May I ask you something?",
        "When did we march?",
        "version 2023.99.01",
        "9999 years ago",
        "",
    ],
)
def test_find_spans_names_no_time_where_there_is_none(question: str) -> None:
    assert spans(question) == []


@pytest.mark.parametrize(
    ("question", "speaker"),
    [
        ("What is my sister's name?", "user"),
        ("我的房东叫什么名字", "user"),
        ("私の猫の名前は", "user"),
        ("내 고양이 이름이 뭐야", "user"),
        ("Как зовут мою кошку и меня?", "user"),
        ("Wie heißt meine Katze?", "user"),
        ("Which book did you recommend to me?", "assistant"),
        ("你之前给我推荐的书是什么", "assistant"),
        ("Can you summarize what we said about my trip?", None),
        ("Where did Calvin go?", None),
        ("Which IDE is best?", None),
    ],
)
def test_understand_tells_who_probably_said_it(question: str, speaker: str | None) -> None:
    assert understand(question, NOW).speaker == speaker


def test_understand_takes_quotations_as_phrases_or_the_whole_question() -> None:
    assert understand('who said "Green Tea" and 「お茶」?', NOW).phrases == ("green tea", "お茶")
    assert understand("Green tea?", NOW).phrases == ("green tea",)
    assert understand("x" * 3_000, NOW).phrases == ()
    assert len(understand("x" * 3_000, NOW).text) == MAX_QUESTION_CHARS


def test_related_words_go_across_words_and_languages() -> None:
    assert {"dog", "cat", "宠物"} <= set(related_words("Does she have a pet?"))
    assert {"老婆", "妻子", "wife"} <= set(related_words("我太太喜欢什么"))
    assert related_words("What is ERR-5031?") == ()
    assert related_words("the dogma of petty carpets") == ()
    assert len(related_words("wife child friend boss pet car trip house food music")) == MAX_RELATED


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What did she buy?", {"bought"}),
        ("When did they go?", {"went", "gone", "yesterday", "weekend"}),
        ("Wann war das?", {"gestern", "montag"}),
        ("她什么时候搬家的", {"昨天", "去年"}),
        ("Can you help me plan a dinner?", {"always", "never", "prefer"}),
        ("帮我写一封信", {"一定要", "不要"}),
    ],
)
def test_answer_words_are_those_of_answers(question: str, words: set[str]) -> None:
    assert words <= set(answer_words(question))
    assert words <= set(understand(question, NOW).related)


@pytest.mark.parametrize(
    "question",
    [
        "Can you list what we talked about?",
        "Could you give me a summary of the trip?",
        "Where is the blue bike?",
        "the goose-neck lamp of Maybelline",
    ],
)
def test_answer_words_know_no_wish_where_nobody_asks_for_help(question: str) -> None:
    assert not {"always", "prefer"} & set(answer_words(question))


def test_answer_words_are_none_that_the_question_has() -> None:
    assert "yesterday" not in answer_words("When was it, yesterday or today?")
    assert answer_words("What is ERR-5031?") == ()


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_understand_takes_any_text(text: str) -> None:
    question = understand(text, NOW)

    assert "\0" not in question.text
    question.text.encode()
    assert len(question.spans) <= MAX_SPANS
    assert len(question.related) <= MAX_RELATED


@pytest.mark.parametrize(
    "text", ["9" * 2_000, "1月" * 1_000, '"' * 2_000, "may " * 500, "年" * 2_000, "what " * 400]
)
def test_understand_is_quick_with_texts_made_to_be_slow(text: str) -> None:
    started = datetime.now(UTC)

    understand(text, NOW)

    assert (datetime.now(UTC) - started).total_seconds() < 2


def test_clean_leaves_out_what_no_column_takes() -> None:
    assert clean("a\0b\ud800c") == "a bc"


@given(st.lists(st.integers(0, 50)), st.integers(0, 200))
def test_fit_to_budget_keeps_the_order_and_the_budget(sizes: list[int], budget: int) -> None:
    numbered = list(enumerate(sizes))

    kept = fit_to_budget(numbered, budget, tokens_of=lambda one: one[1])

    assert kept == sorted(kept)
    assert bool(kept) == bool(sizes)
    assert sum(size for _, size in kept) <= max(budget, sizes[0] if sizes else 0)
