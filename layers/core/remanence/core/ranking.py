"""What a question asks for, beyond its words, and how what was found is cut to a budget. Pure.

Path: db.recall -> understand -> sql/search_*.sql; engine.lookups -> fit_to_budget. The statement
counts and weighs; here is what needs no data: related words, phrases, who spoke, when.
"""

# ruff: noqa: RUF001  (words of many languages)

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from remanence.core.answer_words import answer_words
from remanence.core.thesaurus import MAX_RELATED, related_words
from remanence.core.time_words import Span, find_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

T = TypeVar("T")

# What follows in a question that long is a text to compare with, and its start has its words.
MAX_QUESTION_CHARS = 2_000
MAX_PHRASES = 4
MAX_PHRASE_CHARS = 200
MAX_NAMES = 64

_QUOTED = re.compile(
    r"\"([^\"]{2,200})\"|“([^”]{2,200})”|«([^»]{2,200})»|「([^」]{2,200})」|《([^》]{2,200})》|„([^“”]{2,200})[“”]"
)
# Whoever says "you suggested" asks for what the assistant said ...
_OF_ASSISTANT = re.compile(
    r"\b(?:did|have) you (?:ever |also |just )?"
    r"(?:say|said|suggest\w*|recommend\w*|tell|told|mention\w*|give|gave|given|advis\w*|propos\w*"
    r"|explain\w*|list\w*)"
    r"|\byou (?:said|suggested|recommended|told|mentioned|gave|advised|proposed|explained|listed)\b"
    r"|你(?:之前|上次|刚才|曾经?)?(?:给我|跟我|对我|帮我)?(?:推荐|建议|教|说|告诉|提到|列|算|写)"
    r"|你教我|(?:あなた|君)(?:が|は)(?:勧め|言|教え|提案)"
    r"|\bhast du (?:gesagt|empfohlen|vorgeschlagen|erwähnt)|\bты (?:советовал|говорил|предлагал)"
)
# ... who wants a summary asks for what both said ...
_OF_BOTH = re.compile(
    r"\bsummar(?:y|i[sz]e\w*)\b|\brecap\b|\boverview\b|总结|概括|回顾|まとめ|要約|요약"
    r"|zusammenfass|обобщ|подытож|ملخص|\brésum|\bresum(?:e|en|ir)\b|สรุป"
)
# ... and whoever says "my" asks for what they told.
_OF_USER = re.compile(
    r"\b(?:i|my|me|mine|i'm|i've|i'd|we|our|ours|us|ich|mein\w*|mir|mich|wir|unser\w*|мой|моя|мое"
    r"|мои|мне|меня|мною|мы|наш\w*)\b|(?<![а-я])я(?![а-я])|我|俺|私|僕|내|나의|우리|ฉัน|ผม|أنا|لي\b"
)


# The parts a search is made of. A measurement leaves some out to see what each of them adds.
Part = Literal["words", "vector", "related", "neighbours", "phrases", "speaker", "times"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as search takes it.

    `related` are other words for its words; `phrases`, in lower case, count extra where they stand
    word by word; `speaker` is who probably said the answer (None: no telling), and `names` are its
    words, in lower case, any of which may name them; `spans` are the times it names.
    """

    text: str
    related: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    speaker: Literal["user", "assistant"] | None = None
    names: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()


def understand(query: str, now: datetime, without: Collection[Part] = ()) -> Question:
    """What a question asks for.

    Args:
        query: any text; characters that no text column takes (NUL, lone surrogates) are left out.
        now: what "yesterday" is counted from.
        without: parts of the search that shall not take part.
    """
    text = clean(query)[:MAX_QUESTION_CHARS]
    return Question(
        text="" if "words" in without else text,
        related=() if {"words", "related"} & set(without) else _other_words(text),
        phrases=() if "phrases" in without else _phrases(text.lower()),
        speaker=None if "speaker" in without else _speaker(text.lower()),
        names=() if "speaker" in without else _names(text.lower()),
        spans=() if "times" in without else find_spans(text, now),
    )


def _other_words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*answer_words(text), *related_words(text))))[:MAX_RELATED]


def clean(text: str) -> str:
    """A text without what Postgres refuses: NUL and halves of surrogate pairs."""
    return text.replace("\0", " ").encode("utf-8", "ignore").decode("utf-8")


def _phrases(text: str) -> tuple[str, ...]:
    """What stands in quotation marks; else the whole question, when it may be a quotation."""
    quoted = ["".join(found).strip() for found in _QUOTED.findall(text)]
    whole = text.strip(" \t\r\n?!.。？！")
    if not quoted and 3 <= len(whole) <= MAX_PHRASE_CHARS:
        quoted = [whole]
    return tuple(dict.fromkeys(phrase for phrase in quoted if phrase))[:MAX_PHRASES]


def _speaker(text: str) -> Literal["user", "assistant"] | None:
    if _OF_BOTH.search(text):
        return None
    if _OF_ASSISTANT.search(text):
        return "assistant"
    return "user" if _OF_USER.search(text) else None


def _names(text: str) -> tuple[str, ...]:
    """The words of a question; those for the two sides of any conversation name nobody."""
    words = dict.fromkeys(re.findall(r"[^\W_]+", text))
    return tuple(word for word in words if word not in ("user", "assistant"))[:MAX_NAMES]


def fit_to_budget(
    found: Sequence[T], budget_tokens: int, *, tokens_of: Callable[[T], int]
) -> list[T]:
    """The best of what was found that fits, best first; never nothing.

    One that is too large is passed over for smaller ones behind it, so that a pasted file does
    not take the place of ten answers. The best one stays, whatever its size.

    Args:
        found: best first.
        budget_tokens: for all of them together.
        tokens_of: the size of one.
    """
    kept: list[T] = []
    left = budget_tokens
    for one in found:
        size = tokens_of(one)
        if size <= left or not kept:
            kept.append(one)
            left -= size
    return kept
