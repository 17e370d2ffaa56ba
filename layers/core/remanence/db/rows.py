"""Rows of the database (as jsonb gives them) to core values, and back.

The only place where the spelling of stored JSON is known.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from remanence.core.exchange import PART_NAMES, JsonObject, ModelSettings, StoredPart, Usage
from remanence.core.own_providers import OwnProvider
from remanence.core.summaries import CompactionSettings, StandIn, Summary
from remanence.core.types import (
    Agent,
    Block,
    Conversation,
    Epoch,
    MemoryCounts,
    Message,
    Run,
    RunOptions,
    State,
    TokenAnchor,
    Tool,
    ToolRule,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]

_PART_TYPES: dict[str, Callable[..., StoredPart]] = {
    name: kind for kind, name in PART_NAMES.items()
}
_TUPLES = frozenset({"stdout", "stderr"})


def part_to_row(part: StoredPart) -> JsonObject:
    """A part as stored: its fields and its `type`; fields that are None or empty are left out."""
    row: Row = {"type": PART_NAMES[type(part)]}
    for name, value in asdict(part).items():
        if value is not None and value != () and (name, value) != ("waits", False):
            row[name] = list(value) if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownArgumentType]
    return row


def part_from_row(row: Row) -> StoredPart:
    """A stored part.

    Raises:
        KeyError: a `type` this code does not know; newer code has written it.
    """
    kind = _PART_TYPES[row["type"]]
    values: Row = {
        key: tuple(value) if key in _TUPLES else value
        for key, value in row.items()
        if key != "type"
    }
    return kind(**values)


def instant(text: str | datetime | None) -> datetime | None:
    """A stored instant, aware; None stays None."""
    return datetime.fromisoformat(text) if isinstance(text, str) else text


def message_from_row(row: Row) -> Message:
    """A row of messages."""
    return Message(
        id=row["id"],
        role=row["role"],
        parts=tuple(part_from_row(part) for part in row["parts"]),
        created_at=_at(row["created_at"]),
        seq=row["seq"],
        tokens=row["tokens"],
        name=row["name"],
        otid=row["otid"],
        sender_id=row["sender_id"],
        run_id=row["run_id"],
        step_id=row["step_id"],
    )


def message_to_row(message: Message) -> JsonObject:
    """A message as the step functions take it; the database gives it its `seq`."""
    return {
        "id": message.id,
        "role": message.role,
        "parts": [part_to_row(part) for part in message.parts],
        "name": message.name,
        "otid": message.otid,
        "sender_id": message.sender_id,
        "tokens": message.tokens,
        "created_at": message.created_at.isoformat(),
    }


def agent_from_row(row: Row) -> Agent:
    """A row of agents."""
    return Agent(
        **_values(row, Agent, exclude=_AGENT_CONVERTED),
        model_settings=ModelSettings(**_values(row["model_settings"], ModelSettings)),
        compaction_settings=_compaction_settings(row["compaction_settings"]),
        tool_rules=tuple(rule_from_row(rule) for rule in row["tool_rules"]),
        tags=tuple(row["tags"]),
        created_at=_at(row["created_at"]),
        updated_at=_at(row["updated_at"]),
        last_run_completion=instant(row["last_run_completion"]),
    )


def _compaction_settings(row: Row) -> CompactionSettings:
    given = row.get("model_settings")
    settings = ModelSettings(**_values(given, ModelSettings)) if given else None
    blocks = tuple(row.get("archive_blocks", ()))
    return CompactionSettings(
        **_values(row, CompactionSettings, model_settings=settings, archive_blocks=blocks)
    )


_AGENT_CONVERTED = frozenset(
    {
        "model_settings",
        "compaction_settings",
        "tool_rules",
        "tags",
        "created_at",
        "updated_at",
        "last_run_completion",
    }
)


def rule_from_row(row: Row) -> ToolRule:
    """A tool rule as stored."""
    return ToolRule(**_values(row, ToolRule, children=tuple(row.get("children", ()))))


def rule_to_row(rule: ToolRule) -> JsonObject:
    """A tool rule as stored."""
    row: Row = asdict(rule) | {"children": list(rule.children)}
    return row


def block_from_row(row: Row) -> Block:
    """A row of blocks."""
    return Block(
        **_values(
            row,
            Block,
            tags=tuple(row["tags"]),
            created_at=instant(row["created_at"]),
            updated_at=instant(row["updated_at"]),
        )
    )


def tool_from_row(row: Row) -> Tool:
    """A row of tools, with `requires_approval` as it holds for the agent."""
    approval = row.get("requires_approval", row.get("default_requires_approval", False))
    return Tool(**_values(row, Tool, tags=tuple(row["tags"]), requires_approval=bool(approval)))


def summary_from_row(row: Row) -> Summary:
    """A row of summaries."""
    author = row.get("author") or "step"
    return Summary(**_values(row, Summary, created_at=_at(row["created_at"]), author=author))


def stand_in_from_row(row: Row) -> StandIn:
    """A row of list_stand_ins."""
    return StandIn(
        summary=summary_from_row(row["summary"]),
        messages=tuple(message_from_row(message) for message in row["messages"]),
        children=tuple(summary_from_row(child) for child in row["children"]),
    )


def conversation_from_row(row: Row) -> Conversation:
    """A row of conversations."""
    anchor = TokenAnchor(**_values(row["anchor"], TokenAnchor))
    epoch = Epoch(**row["epoch"], **row["epoch_seen"]) if row["epoch"] else None
    return Conversation(
        **_values(row, Conversation, anchor=anchor, epoch=epoch, snapshots=tuple(row["snapshots"]))
    )


def options_to_row(options: RunOptions) -> JsonObject:
    """Run options as stored."""
    kinds = options.include_return_message_types
    row: Row = asdict(options) | {
        "client_tools": [asdict(tool) | {"tags": list(tool.tags)} for tool in options.client_tools],
        "include_return_message_types": None if kinds is None else list(kinds),
    }
    return row


def options_from_row(row: Row) -> RunOptions:
    """Run options as stored."""
    kinds = row.get("include_return_message_types")
    return RunOptions(
        **_values(
            row,
            RunOptions,
            client_tools=tuple(tool_from_row(tool) for tool in row.get("client_tools", ())),
            include_return_message_types=None if kinds is None else tuple(kinds),
        )
    )


def run_from_row(row: Row) -> Run:
    """A row of runs."""
    return Run(
        **_values(
            row,
            Run,
            options=options_from_row(row["options"]),
            created_at=_at(row["created_at"]),
            completed_at=instant(row["completed_at"]),
        )
    )


def counts_from_row(row: Row) -> MemoryCounts:
    """What remanence.memory_counts gives."""
    return MemoryCounts(
        recall=row["recall"],
        archival=row["archival"],
        archival_tags=tuple(sorted(row["archival_tags"])),
    )


def usage_from_row(row: Row) -> Usage:
    """Token counts, of one step or summed."""
    return Usage(**_values(row, Usage))


def overridden(agent: Agent, conversation: Conversation) -> Agent:
    """The agent as it is in a conversation that overrides its model, settings or window."""
    chosen: Row = conversation.extras
    settings = chosen.get("settings")
    window = chosen.get("context_window_limit") or agent.context_window_limit
    return replace(
        agent,
        model=chosen.get("model") or agent.model,
        model_settings=agent.model_settings
        if settings is None
        else ModelSettings(**_values(settings, ModelSettings)),
        context_window_limit=min(window, chosen.get("model_window") or window),
    )


def state_from_row(row: Row, lease_token: str) -> State:
    """What remanence.step_state gives."""
    stored = row["conversation"]
    conversation = conversation_from_row(stored)
    steps = row["steps"]
    run = row["run"] or _no_run(stored)
    return State(
        org_id=stored["org_id"],
        agent=overridden(agent_from_row(row["agent"]), conversation),
        blocks=tuple(block_from_row(block) for block in row["blocks"]),
        tools=tuple(tool_from_row(tool) for tool in row["tools"]),
        conversation=conversation,
        run=run_from_row(run),
        step_no=steps["done"] + 1,
        window=tuple(message_from_row(message) for message in row["window"]),
        summaries=tuple(summary_from_row(summary) for summary in row["summaries"]),
        counts=counts_from_row(row["counts"]),
        called_tools=tuple(steps["called_tools"]),
        usage=usage_from_row(steps),
        fence=stored["fence"],
        lease_token=lease_token,
        cancel_requested=run["cancel_requested"],
        org_caps=row.get("org_caps"),
        own_providers=tuple(own_provider_from_row(own) for own in row.get("own_providers", ())),
    )


def own_provider_from_row(row: Row) -> OwnProvider:
    """What remanence.own_providers_v1 gives of one."""
    names = [spec.name for spec in fields(OwnProvider)]
    return OwnProvider(**{name: row[name] for name in names})


def _no_run(conversation: Row) -> Row:
    """Stands for the run of a conversation that is looked at before anything was said in it."""
    return {
        "id": "",
        "agent_id": conversation["agent_id"],
        "conversation_id": conversation["id"],
        "status": "completed",
        "options": {},
        "background": False,
        "created_at": conversation["created_at"],
        "completed_at": None,
        "stop_reason": None,
        "cancel_requested": False,
    }


def _at(text: str | datetime) -> datetime:
    return datetime.fromisoformat(text) if isinstance(text, str) else text


def _values(
    row: Row, kind: type, exclude: frozenset[str] = frozenset(), **converted: object
) -> Row:
    """What makes a `kind`: the row's entries that are fields of it, and those converted.

    Columns newer than this code fall away.
    """
    names = {spec.name for spec in fields(kind)} - exclude
    return {key: value for key, value in row.items() if key in names} | converted
