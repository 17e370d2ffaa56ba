"""What the search tools look up, and how what was found reads.

Path: core.calls.read_calls -> read_lookup -> (engine.lookups asks the database) -> render_*;
core.history packs every tool return with pack_tool_return. Pure: the time zone is an argument,
every instant that leaves here is aware UTC.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from remanence.core.archival import FoundPassage
from remanence.core.dates import parse_moment, time_ago, timestamp
from remanence.core.exchange import Text, ToolReturn
from remanence.core.ranking import fit_to_budget
from remanence.core.tokens import estimate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, tzinfo

    from remanence.core.exchange import JsonObject, ToolCall
    from remanence.core.types import Message, Passage

# A search that does not say how many gets the best that fit this many tokens, and no more than
# MOST_IN_BUDGET: half as much evidence again is in 2,000 tokens of short turns than in ten of them.
BUDGET_TOKENS = 2_000
MOST_IN_BUDGET = 50
MAX_RESULTS = 100
# What one found message may show, in characters: one pasted file must not hide the other results.
MAX_CONTENT_CHARS = 4_000

ROLES = ("assistant", "user", "tool")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivalInsert:
    """A text to keep in archival memory."""

    tool_call_id: str
    text: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivalSearch:
    """A search of archival memory. `start` and `end` are both inclusive; empty `tags`: any.

    `as_of`: of facts, those that held then; None: that hold now.

    `budget_tokens`: of the best `top_k`, only what fits; None: all of them.
    """

    tool_call_id: str
    query: str
    tags: tuple[str, ...] = ()
    tag_match_mode: Literal["any", "all"] = "any"
    top_k: int = MOST_IN_BUDGET
    budget_tokens: int | None = BUDGET_TOKENS
    start: datetime | None = None
    end: datetime | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationSearch:
    """A search of past messages. An empty `query` lists the newest; empty `roles`: all.

    `start` and `end` are both inclusive; `budget_tokens` as in `ArchivalSearch`.
    """

    tool_call_id: str
    query: str
    roles: tuple[str, ...] = ()
    limit: int = MOST_IN_BUDGET
    budget_tokens: int | None = BUDGET_TOKENS
    start: datetime | None = None
    end: datetime | None = None


Lookup: TypeAlias = ArchivalInsert | ArchivalSearch | ConversationSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageHit:
    """A passage found. Ranks count from 1; None: that leg did not find it.

    `score` is the fused one (the best of a search has 1), or 0 when nothing was searched for.
    `legs` says what each part found: words, vector, when, speaker, phrase.
    """

    passage: Passage
    score: float = 0.0
    lexical_rank: int | None = None
    vector_rank: int | None = None
    legs: Mapping[str, float | bool | None] = field(default_factory=dict[str, float | bool | None])


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHit:
    """A message found, and where it was said. Scores and ranks as in `PassageHit`."""

    message: Message
    agent_id: str | None = None
    conversation_id: str | None = None
    score: float = 0.0
    lexical_rank: int | None = None
    vector_rank: int | None = None
    legs: Mapping[str, float | bool | None] = field(default_factory=dict[str, float | bool | None])


HitT = TypeVar("HitT", PassageHit, MessageHit, FoundPassage)


class _BadDate(ValueError):
    """A date that cannot be read; the text is for the model."""


def read_lookup(
    call: ToolCall, arguments: JsonObject, *, now: datetime, timezone: tzinfo
) -> Lookup | str:
    """What a call of one of the three search tools asks for.

    Args:
        call: archival_memory_insert, archival_memory_search or conversation_search.
        arguments: as `read_arguments` made them.
        now: what "today" and "yesterday" are counted from.
        timezone: of dates that name none.

    Returns:
        The lookup, or the error for the model.
    """
    try:
        match call.name:
            case "archival_memory_insert":
                return _archival_insert(call, arguments)
            case "archival_memory_search":
                return _archival_search(call, arguments, now, timezone)
            case _:
                return _conversation_search(call, arguments, now, timezone)
    except _BadDate as bad:
        return str(bad)


def _archival_insert(call: ToolCall, arguments: JsonObject) -> ArchivalInsert | str:
    text = _text(arguments, "content")
    if not text.strip():
        return "Nothing was stored: content is empty."
    return ArchivalInsert(tool_call_id=call.tool_call_id, text=text, tags=_texts(arguments, "tags"))


def _archival_search(
    call: ToolCall, arguments: JsonObject, now: datetime, tz: tzinfo
) -> ArchivalSearch:
    start, end = _span(arguments, "start_datetime", "end_datetime", now, tz)
    top_k, budget_tokens = _size(arguments, "top_k")
    return ArchivalSearch(
        tool_call_id=call.tool_call_id,
        query=_text(arguments, "query").strip(),
        tags=_texts(arguments, "tags"),
        tag_match_mode="all" if arguments.get("tag_match_mode") == "all" else "any",
        top_k=top_k,
        budget_tokens=budget_tokens,
        start=start,
        end=end,
        as_of=_moment(arguments, "as_of", now, tz, is_end=True),
    )


def _conversation_search(
    call: ToolCall, arguments: JsonObject, now: datetime, tz: tzinfo
) -> ConversationSearch:
    start, end = _span(arguments, "start_date", "end_date", now, tz)
    limit, budget_tokens = _size(arguments, "limit")
    return ConversationSearch(
        tool_call_id=call.tool_call_id,
        query=_text(arguments, "query").strip(),
        roles=tuple(role for role in _texts(arguments, "roles") if role in ROLES),
        limit=limit,
        budget_tokens=budget_tokens,
        start=start,
        end=end,
    )


def _text(arguments: JsonObject, name: str) -> str:
    found = arguments.get(name)
    return found if isinstance(found, str) else ""


def _texts(arguments: JsonObject, name: str) -> tuple[str, ...]:
    """The distinct, non-empty strings of a list, in their order."""
    found = arguments.get(name)
    items = found if isinstance(found, list) else []
    texts = (item.strip() for item in items if isinstance(item, str))
    return tuple(dict.fromkeys(text for text in texts if text))


def _size(arguments: JsonObject, name: str) -> tuple[int, int | None]:
    """How many results, and the tokens they have to fit: only when the call names no number."""
    found = arguments.get(name)
    if isinstance(found, int):
        return min(max(found, 1), MAX_RESULTS), None
    return MOST_IN_BUDGET, BUDGET_TOKENS


def _span(
    arguments: JsonObject, start_name: str, end_name: str, now: datetime, tz: tzinfo
) -> tuple[datetime | None, datetime | None]:
    start = _moment(arguments, start_name, now, tz, is_end=False)
    end = _moment(arguments, end_name, now, tz, is_end=True)
    if start is not None and end is not None and start > end:
        raise _BadDate(f"{start_name} is after {end_name}, so nothing can be between them.")
    return start, end


def _moment(
    arguments: JsonObject, name: str, now: datetime, tz: tzinfo, *, is_end: bool
) -> datetime | None:
    said = _text(arguments, name)
    if not said.strip():
        return None
    try:
        return parse_moment(said, now=now, tz=tz, is_end=is_end)
    except ValueError:
        raise _BadDate(
            f"{name} `{said}` is not a date that can be read. Write it as 2026-03-14 or "
            "2026-03-14T09:30."
        ) from None


def hits_in_budget(hits: Sequence[HitT], budget_tokens: int | None) -> list[HitT]:
    """The best hits that fit a budget together, as they will be shown; None: all of them."""
    if budget_tokens is None:
        return list(hits)
    return fit_to_budget(hits, budget_tokens, tokens_of=_tokens_of)


def _tokens_of(hit: PassageHit | MessageHit | FoundPassage) -> int:
    match hit:
        case MessageHit():
            return estimate_text(content_of(hit.message))
        case PassageHit():
            return estimate_text(hit.passage.text)
        case FoundPassage():
            return estimate_text(hit.record.passage.text)


def render_archival_hits(hits: Sequence[PassageHit], tz: tzinfo) -> str:
    """What archival_memory_search returns: a JSON list, one passage a line, best first.

    Args:
        hits: as found.
        tz: of the timestamps.
    """
    lines = [
        json_text(
            {
                "id": hit.passage.id,
                "timestamp": timestamp(hit.passage.created_at, tz),
                "content": hit.passage.text,
                "tags": list(hit.passage.tags),
                "relevance": _relevance(hit),
                **_of_fact(hit.passage),
            }
        )
        for hit in hits
    ]
    return json_list(lines)


def _of_fact(passage: Passage) -> JsonObject:
    """What is known of a fact beside its words: since when it holds, and how far to trust it."""
    fact = passage.metadata.get("fact")
    if not isinstance(fact, dict):
        return {}
    shown = ("kind", "trust", "valid_from", "valid_to")
    return {name: fact[name] for name in shown if fact.get(name) is not None}


def render_conversation_hits(hits: Sequence[MessageHit], *, now: datetime, tz: tzinfo) -> str:
    """What conversation_search returns: a JSON object, one message a line, best first.

    Args:
        hits: as found. Calls and returns of this search itself are left out: they only repeat
            what was found before.
        now: for "3h ago".
        tz: of the timestamps.
    """
    lines = [
        json_text(
            {
                "timestamp": timestamp(hit.message.created_at, tz),
                "time_ago": time_ago(hit.message.created_at, now),
                "role": hit.message.role,
                "relevance": _relevance(hit),
                "content": content,
            }
        )
        for hit in hits
        if (content := content_of(hit.message))
    ]
    if not lines:
        return '{"message": "No results found.", "results": []}'
    return f'{{"message": "Showing {len(lines)} results:", "results": {json_list(lines)}}}'


def json_list(lines: Sequence[str]) -> str:
    """A JSON list of values that are JSON already, one a line."""
    return "[" + ",\n ".join(lines) + "]"


def content_of(message: Message, limit_chars: int | None = MAX_CONTENT_CHARS) -> str:
    """What a message says, for the one who searches it; None: however long it is."""
    said: list[str] = []
    for part in message.parts:
        match part:
            case Text():
                said.append(part.text)
            case ToolReturn() if part.name != "conversation_search":
                said.append(f"{part.name} returned: {part.text}")
            case _:  # reasoning, images and calls are not what was said
                pass
    text = "\n".join(said).strip()
    if limit_chars is None or len(text) <= limit_chars:
        return text
    return f"{text[:limit_chars]}... [{len(text) - limit_chars} more characters]"


def _relevance(hit: PassageHit | MessageHit) -> JsonObject:
    match (hit.vector_rank, hit.lexical_rank):
        case (None, None):
            mode = "none"
        case (None, _):
            mode = "fts"
        case (_, None):
            mode = "vector"
        case _:
            mode = "hybrid"
    return {
        "rrf_score": round(hit.score, 4),
        "vector_rank": hit.vector_rank,
        "fts_rank": hit.lexical_rank,
        "search_mode": mode,
    }


def pack_tool_return(text: str, status: str, *, now: datetime, tz: tzinfo, limit_chars: int) -> str:
    """A tool's return as the model reads it: JSON with status, message and time.

    Args:
        text: what the tool returned. A text that is a JSON object or list goes in as such, not
            quoted once more.
        status: "success" or "error".
        now: when it returned.
        tz: in which that is told.
        limit_chars: how much of `text` may show; a note says that and how much was cut.
    """
    if len(text) > limit_chars:
        note = (
            f"... [NOTE: cut here. The tool returned {len(text)} characters, of which the first "
            f"{limit_chars} are shown; ask for less, or for a part.]"
        )
        message = json_text(text[:limit_chars] + note)
    else:
        message = text if _is_container(text) else json_text(text)
    word = "OK" if status == "success" else "Failed"
    clock = f"{now.astimezone(tz):%Y-%m-%d %I:%M:%S %p %Z%z}"
    return f'{{\n  "status": "{word}",\n  "message": {message},\n  "time": {json_text(clock)}\n}}'


def _is_container(text: str) -> bool:
    """Whether a text is a JSON object or list."""
    if not text.startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def json_text(value: JsonObject | str) -> str:
    """A value as JSON, in its own alphabet."""
    return json.dumps(value, ensure_ascii=False)
