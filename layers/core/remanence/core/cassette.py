"""A cassette: the model calls of a conversation as a file, to be played without a provider.

Path: local.cassette -> recorded, played. Pure. A cassette keeps what each request was compiled from
and what the model answered. Playing it compiles each request again and asks a scripted model, which
answers what it answered: the whole of a step but the provider and the database.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.receipt import request_hash, request_to_json
from remanence.core.replay import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from remanence.core.exchange import JsonObject, Part, Reply, Request
    from remanence.core.replay import Kept

# Grows when older code could not play what newer code records.
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One model call: what its request was compiled from, marks of that, and the answer."""

    kept: Kept
    marks: JsonObject
    answer: tuple[Part, ...]


def marked(kept: Kept, zones: Callable[[str], tzinfo]) -> tuple[Kept, JsonObject]:
    """What a step is kept as after redaction, and the marks of the request it makes then."""
    request = compiled(kept, zones)
    receipt = {**kept.receipt, "request": request_hash(request)}
    return replace(kept, receipt=receipt), marks_of(request)


def marks_of(request: Request) -> JsonObject:
    """A hash of each piece of a request, so that a difference has a place."""
    whole = request_to_json(request)
    turns = whole.pop("turns")
    marks: JsonObject = {name: _mark(value) for name, value in whole.items()}
    marks["turns"] = [_mark(turn) for turn in turns] if isinstance(turns, list) else []
    return marks


def difference(recorded: JsonObject, request: Request) -> str | None:
    """Where a request differs from the recorded one, in words; None: nowhere."""
    now = marks_of(request)
    for name, mark in recorded.items():
        if name != "turns" and mark != now.get(name):
            return f"its {name} is another one"
    before, after = _turns(recorded), _turns(now)
    for place, (old, new) in enumerate(zip(before, after, strict=False)):
        if old != new:
            turn = request.turns[place]
            return f"it differs at message {place + 1} of {len(before)} ({turn.role})"
    if len(before) != len(after):
        return f"it has {len(after)} messages, and had {len(before)}"
    return None


def played(
    tracks: Sequence[Track],
    zones: Callable[[str], tzinfo],
    ask: Callable[[Request, Track], Reply],
) -> list[str]:
    """Play a cassette: one line for each step that does not come out as it was recorded.

    Args:
        tracks: in order.
        zones: time zones by name.
        ask: the scripted model.
    """
    problems: list[str] = []
    for track in tracks:
        request = compiled(track.kept, zones)
        where = difference(track.marks, request)
        if where is not None:
            problems.append(f"{track.kept.step.id}: {where}")
        elif request_hash(request) != track.kept.receipt["request"]:
            problems.append(f"{track.kept.step.id}: its request is another one")
        elif ask(request, track).parts != track.answer:
            problems.append(f"{track.kept.step.id}: the scripted model answered something else")
    return problems


def _turns(marks: JsonObject) -> Sequence[object]:
    turns = marks["turns"]
    return turns if isinstance(turns, list) else []


def _mark(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
