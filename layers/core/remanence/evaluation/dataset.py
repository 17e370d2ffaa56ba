"""Reading questions with labelled evidence: `messages.jsonl` and `questions.jsonl` of one folder.

A message: conv_id, msg_id, seq, session, ts (ISO 8601), speaker, role, text. A question: qid,
conv_id, category, query, evidence [msg_id], and, if one likes, language.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from remanence.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Guessed from the script when a question does not say: the first that has a character in it.
_SCRIPTS = (
    ("ja", r"[\u3040-\u30ff]"),
    ("ko", r"[\uac00-\ud7af]"),
    ("zh", r"[\u4e00-\u9fff]"),
    ("th", r"[\u0e00-\u0e7f]"),
    ("ru", r"[\u0400-\u04ff]"),
    ("ar", r"[\u0600-\u06ff]"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a conversation; `session` tells sittings apart, `at` is aware."""

    msg_id: str
    conv_id: str
    seq: int
    session: str
    at: datetime
    text: str  # with its speaker in front, as it is stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question and the messages any of which answers it."""

    qid: str
    conv_id: str
    category: str
    language: str
    query: str
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Conversations in order, by id, and the questions over them that have evidence."""

    name: str
    turns: dict[str, list[Turn]]
    asks: list[Ask]


def read_dataset(folder: Path) -> Dataset:
    """Read a dataset.

    Raises:
        InvalidRequest: a file is missing, or a line is not what it has to be.
    """
    turns: dict[str, list[Turn]] = {}
    for row, place in _lines(folder / "messages.jsonl"):
        turn = _read(_turn, row, place)
        turns.setdefault(turn.conv_id, []).append(turn)
    for conversation in turns.values():
        conversation.sort(key=lambda turn: turn.seq)
    asks = [_read(_ask, row, place) for row, place in _lines(folder / "questions.jsonl")]
    known = [ask for ask in asks if ask.evidence]
    if strangers := sorted({ask.conv_id for ask in known} - set(turns)):
        raise InvalidRequest(f"{folder.name}: no messages of the conversation {strangers[0]}")
    return Dataset(name=folder.name, turns=turns, asks=known)


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield json.loads(line), f"{path.name}, line {number}"
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{path}: {error}") from error


def _read(reader: Any, row: dict[str, Any], place: str) -> Any:
    try:
        return reader(row)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest(f"{place}: {error!r}") from error


def _turn(row: dict[str, Any]) -> Turn:
    at = datetime.fromisoformat(row["ts"])
    return Turn(
        msg_id=row["msg_id"],
        conv_id=row["conv_id"],
        seq=int(row["seq"]),
        session=str(row.get("session", "")),
        at=at if at.tzinfo else at.replace(tzinfo=UTC),
        text=f"{row['speaker']}: {row['text']}",
    )


def _ask(row: dict[str, Any]) -> Ask:
    return Ask(
        qid=row["qid"],
        conv_id=row["conv_id"],
        category=row.get("category", "all"),
        language=row.get("language") or _language(row["query"]),
        query=row["query"],
        evidence=frozenset(row.get("evidence", [])),
    )


def _language(text: str) -> str:
    return next((name for name, script in _SCRIPTS if re.search(script, text)), "latin")
