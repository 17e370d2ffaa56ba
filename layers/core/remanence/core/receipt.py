"""The receipt of a step: what its request was compiled from, so that it compiles again.

Path: core.step -> receipt_of, snapshots_of -> stored with the step; core.replay reads both.
A receipt holds versions, ids, sizes and hashes, and no words: those are in messages, summaries
and snapshots. It does not grow with the history. Pure.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from remanence.core.exchange import PART_NAMES, ModelSettings
from remanence.core.findings import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from remanence.core.context import Context, Ingredients
    from remanence.core.exchange import JsonObject, JsonValue, Part, Request, ToolSpec
    from remanence.core.findings import Finding

# Of a hash: 128 bits, far more than the snapshots of one agent can make collide.
HASH_CHARS = 32
# How many hashes a conversation remembers as stored. Rules that offer other tools at other steps
# go to and fro between a few sets; one that was forgotten is sent once more, and nothing is lost.
KNOWN_SNAPSHOTS = 8
_DEFAULTS = ModelSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A text that stands still over many requests, stored once per agent by its hash.

    `block_ids`: the blocks whose values are in it; with one of them it is erased.
    """

    hash: str
    kind: Literal["system", "tools"]
    body: str
    block_ids: tuple[str, ...] = ()


def snapshots_of(context: Context) -> tuple[Snapshot, Snapshot]:
    """The system part and the tools of a request, as they were sent."""
    made = context.ingredients
    # With the ids: the same words in another block are not what was erased with the first.
    blocks = sorted(context.block_ids)
    system = Snapshot(
        hash=_hash(json.dumps(["system", *blocks, made.system])),
        kind="system",
        body=made.system,
        block_ids=tuple(blocks),
    )
    text = tools_text(made.tools)
    return system, Snapshot(hash=_hash(text), kind="tools", body=text)


def tools_text(specs: Sequence[ToolSpec]) -> str:
    """Tools as text, in the order in which they and their schemas are sent."""
    return json.dumps([_fields(spec) for spec in specs])


def known_after(known: Sequence[str], stored: Sequence[Snapshot]) -> tuple[str, ...]:
    """The hashes a conversation remembers once `stored` are, newest first."""
    return (*(snapshot.hash for snapshot in stored), *known)[:KNOWN_SNAPSHOTS]


def receipt_of(
    context: Context, snapshots: tuple[Snapshot, Snapshot], found: Iterable[Finding] = ()
) -> JsonObject:
    """What is stored of the request of a step.

    Args:
        context: what was compiled.
        snapshots: of it.
        found: what the searches of the step's reply came to.
    """
    made = context.ingredients
    system, tools = snapshots
    receipt: JsonObject = {
        "agent_version": context.agent_version,
        "epoch": context.epoch.key,
        "blocks": dict(context.epoch.seen),
        "summaries": [summary.id for summary in made.summaries],
        **_messages(made),
        "system": system.hash,
        "tools": tools.hash,
        "handle": made.handle,
        "tool_choice": made.tool_choice,
        "settings": _settings(made.settings),
        "context_window_limit": made.context_window_limit,
        "timezone": context.timezone,
        "tokens": dict(context.tokens),
        "request": request_hash(context.request),
    }
    if made.can_expand:
        receipt["can_expand"] = True
    if context.notes:
        receipt["note"] = True
    if context.repairs:
        receipt["repairs"] = [f"{repair.kind}: {repair.message_id}" for repair in context.repairs]
    return receipt | _passages(found)


def unasked_receipt(found: Iterable[Finding]) -> JsonObject:
    """The receipt of a step that ran open calls of an earlier reply, and asked no model."""
    return {"asked": False, **_passages(found)}


def _messages(made: Ingredients) -> JsonObject:
    """The window as a span: places are dense, and the ids tell whose places they are."""
    stored = [message for message in made.window if message.seq is not None]
    if not stored:
        return {"messages": [], "message_ids": []}
    first, last = stored[0], stored[-1]
    return {"messages": [first.seq, last.seq], "message_ids": [first.id, last.id]}


def _settings(settings: ModelSettings) -> JsonObject:
    """What differs from the defaults."""
    return {
        name: value
        for name, value in _fields(settings).items()
        if value != getattr(_DEFAULTS, name)
    }


def _passages(found: Iterable[Finding]) -> JsonObject:
    """Passages that searches brought, with their scores, best first in each search."""
    hits: list[JsonValue] = [
        [hit.passage.id, round(hit.score, 4)]
        for finding in found
        if isinstance(finding, Found)
        for hit in finding.passages
    ]
    return {"passages": hits} if hits else {}


def request_hash(request: Request) -> str:
    """What tells a request from every other one, byte for byte."""
    return _hash(json.dumps(request_to_json(request)))


def request_to_json(request: Request) -> JsonObject:
    """A request as JSON, before it is mapped to the wire of a provider."""
    return {
        "handle": request.handle,
        "system": request.system,
        "tools": [_fields(spec) for spec in request.tools],
        "tool_choice": request.tool_choice,
        "settings": _fields(request.settings),
        "cache_key": request.cache_key,
        "turns": [
            {
                "role": turn.role,
                "name": turn.name,
                "parts": [{"type": PART_NAMES[type(part)], **_fields(part)} for part in turn.parts],
            }
            for turn in request.turns
        ],
    }


def _fields(value: ToolSpec | ModelSettings | Part) -> JsonObject:
    """The fields of a value that holds no other values of ours."""
    return {spec.name: getattr(value, spec.name) for spec in fields(value)}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARS]
