"""The tool calls of one reply: understood, then run on values.

Path: core.step -> read_calls -> (engine performs the lookups) -> run_calls -> block_changes.
Pure. Calls run in the order the model made them; each sees the blocks as the one before left
them. What went wrong is a return with status "error" that tells the model what to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from remanence.core.arguments import read_arguments
from remanence.core.custom_tools import CUSTOM_TOOL, ToolRan, ToolRun
from remanence.core.exchange import ToolReturn
from remanence.core.expansion import Expand, read_expand, render_expansion
from remanence.core.findings import Embedded, Expanded, Failed, Finding, Found, Lookup, NewPassage
from remanence.core.memory_tools import MEMORY_TOOLS, run_memory_tool
from remanence.core.rules import constraint_error
from remanence.core.search_tools import (
    ArchivalInsert,
    ArchivalSearch,
    ConversationSearch,
    read_lookup,
    render_archival_hits,
    render_conversation_hits,
)
from remanence.core.types import no_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, tzinfo

    from remanence.core.exchange import JsonObject, Reply, ToolCall
    from remanence.core.ids import IdSource
    from remanence.core.rules import Allowed
    from remanence.core.types import Block, State, Tool

LOOKUP_TOOLS = frozenset(
    {"archival_memory_insert", "archival_memory_search", "conversation_search"}
)
SENT = "Sent message successfully."


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call as understood. Either `problem` is set, or the call can be run.

    `wants_heartbeat`: the model asked to be run again after it.
    """

    call: ToolCall
    tool: Tool | None
    arguments: JsonObject = field(default_factory=no_json)
    lookup: Lookup | None = None
    problem: str | None = None
    wants_heartbeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """When a step happens, and in which zone its agent lives."""

    now: datetime
    tz: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockEdit:
    """A block as it is to be; `base_version` is the version it was made from."""

    block: Block
    base_version: int
    tool_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockChanges:
    """The difference between two lists of blocks."""

    edited: tuple[BlockEdit, ...] = ()
    created: tuple[BlockEdit, ...] = ()
    detached: tuple[str, ...] = ()

    def new_versions(self, blocks: Sequence[Block]) -> dict[str, int]:
        """The version of every attached block once these changes are written, by id."""
        versions: dict[str, int] = {
            block.id: block.version for block in blocks if block.id not in self.detached
        }
        versions |= {edit.block.id: edit.base_version + 1 for edit in self.edited}
        return versions | {edit.block.id: 1 for edit in self.created}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What the calls of a reply left behind.

    `ran` names the tools that were run, in order: not what was refused unread, forbidden or denied.
    `touched` is the last call that changed each block.
    """

    returns: tuple[ToolReturn, ...]
    ran: tuple[str, ...]
    blocks: tuple[Block, ...]
    touched: dict[str, str]
    passages: tuple[NewPassage, ...]


def read_calls(
    reply: Reply,
    state: State,
    clock: Clock,
    *,
    prefilled: Mapping[str, JsonObject] | None = None,
) -> tuple[Call, ...]:
    """Understand the tool calls of a reply, in order.

    Args:
        reply: the model's answer.
        state: whose tools may be called.
        clock: resolves dates that are relative or without a zone.
        prefilled: arguments that tool rules set, by tool name; they replace the model's.
    """
    tools = {tool.name: tool for tool in state.tools}
    given = prefilled or {}
    return tuple(
        _with_run(_read(call, tools.get(call.name), given.get(call.name, {}), clock), state)
        for call in reply.tool_calls
    )


def _with_run(call: Call, state: State) -> Call:
    """The call; of a custom tool that can be run, with what is to be run."""
    if call.tool is None or call.problem is not None or call.tool.tool_type != CUSTOM_TOOL:
        return call
    run = ToolRun(
        tool_call_id=call.call.tool_call_id,
        tool=call.tool,
        arguments=call.arguments,
        org_id=state.org_id,
        agent_id=state.agent.id,
    )
    return replace(call, lookup=run)


def _read(call: ToolCall, tool: Tool | None, given: JsonObject, clock: Clock) -> Call:
    if call.refusal is not None:
        return Call(call=call, tool=tool, problem=call.refusal)
    if tool is None:
        return Call(call=call, tool=None)  # the rules say what may be called instead
    arguments = read_arguments(call, _schema_for(tool.parameters, given))
    if isinstance(arguments, str):
        return Call(call=call, tool=tool, problem=arguments)
    arguments |= given
    heartbeat = arguments.pop("request_heartbeat", False) is True
    lookup: Lookup | None = None
    if call.name in LOOKUP_TOOLS:
        read = _read_lookup(call, arguments, clock)
        if isinstance(read, str):
            return Call(call=call, tool=tool, problem=read, wants_heartbeat=heartbeat)
        lookup = read
    return Call(call=call, tool=tool, arguments=arguments, lookup=lookup, wants_heartbeat=heartbeat)


def _read_lookup(call: ToolCall, arguments: JsonObject, clock: Clock) -> Lookup | str:
    if call.name == "conversation_search" and arguments.get("expand"):
        return read_expand(call, arguments)
    return read_lookup(call, arguments, now=clock.now, timezone=clock.tz)


def _schema_for(parameters: JsonObject, given: JsonObject) -> JsonObject:
    """The schema a call is read by.

    It takes `request_heartbeat` too, which models keep sending once they know it, and does not
    demand what is given anyway.
    """
    properties = parameters.get("properties")
    required = parameters.get("required")
    if not isinstance(properties, dict):
        return parameters  # takes anything
    return {
        **parameters,
        "properties": {**properties, "request_heartbeat": {"type": "boolean"}},
        "required": [
            name for name in (required if isinstance(required, list) else []) if name not in given
        ],
    }


def lookups_of(calls: Sequence[Call], allowed: Allowed) -> tuple[Lookup, ...]:
    """The lookups that have to be made before `run_calls`."""
    return tuple(
        call.lookup for call in calls if call.lookup is not None and call.call.name in allowed.names
    )


def run_calls(
    state: State,
    calls: Sequence[Call],
    findings: dict[str, Finding],
    *,
    allowed: Allowed,
    clock: Clock,
    new_id: IdSource,
) -> CallResult:
    """Run the calls on values, in order.

    Args:
        state: its blocks are what memory tools edit.
        calls: from `read_calls`.
        findings: by tool_call_id, one for each of `lookups_of`.
        allowed: what the tool rules permit in this step.
        clock: for "3 days ago" in what searches return.
        new_id: makes ids of blocks and passages.

    Returns:
        One return per call, and what is to be written.
    """
    bench = _Bench(
        findings=findings,
        clock=clock,
        new_id=new_id,
        blocks=state.blocks,
        seen=state.seen_blocks,
    )
    returns: list[ToolReturn] = []
    ran: list[str] = []
    for call in calls:
        problem = _problem_of(call, allowed)
        if problem is None:
            ran.append(call.call.name)
        text, status = bench.run(call) if problem is None else (problem, "error")
        ran_as = findings.get(call.call.tool_call_id) if problem is None else None
        returns.append(
            ToolReturn(
                tool_call_id=call.call.tool_call_id,
                name=call.call.name,
                text=_within(text, call.tool),
                status=status,
                stdout=ran_as.stdout if isinstance(ran_as, ToolRan) else (),
                stderr=ran_as.stderr if isinstance(ran_as, ToolRan) else (),
            )
        )
    return CallResult(
        returns=tuple(returns),
        ran=tuple(ran),
        blocks=bench.blocks,
        touched=bench.touched,
        passages=tuple(bench.passages),
    )


Status: TypeAlias = Literal["success", "error"]


def _problem_of(call: Call, allowed: Allowed) -> str | None:
    if call.tool is None and call.problem is not None:
        return call.problem  # a person or a rule refused it, whoever has the tool
    if call.tool is None or call.call.name not in allowed.names:
        return constraint_error(call.call.name, allowed)
    return call.problem


def _within(text: str, tool: Tool | None) -> str:
    """The return, cut to what the tool may put into a context."""
    limit = tool.return_char_limit if tool else len(text)
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... [cut here: the tool returned {len(text)} characters]"


@dataclass(slots=True, kw_only=True)
class _Bench:
    """What the calls of one reply work on, one after the other.

    `seen` is what the model takes the blocks for: as it saw them, with its own edits; None: as
    they are.
    """

    findings: dict[str, Finding]
    clock: Clock
    new_id: IdSource
    blocks: tuple[Block, ...]
    seen: tuple[Block, ...] | None = None
    touched: dict[str, str] = field(default_factory=dict[str, str])
    passages: list[NewPassage] = field(default_factory=list["NewPassage"])

    def run(self, call: Call) -> tuple[str, Status]:
        name = call.call.name
        if name in MEMORY_TOOLS:
            return self._edit(call)
        if call.lookup is not None:
            return self._look_up(call, call.lookup)
        if name == "send_message":
            return SENT, "success"
        return f"The tool {name} cannot be run by this server.", "error"

    def _edit(self, call: Call) -> tuple[str, Status]:
        run = partial(
            run_memory_tool,
            call.call.name,
            call.arguments,
            new_block_id=lambda: self.new_id("block"),
        )
        result = run(self.blocks, seen=self.seen)
        if self.seen is not None:
            self.seen = run(self.seen).blocks
        before = {block.id: block for block in self.blocks}
        self.touched |= {
            block.id: call.call.tool_call_id
            for block in result.blocks
            if before.get(block.id) != block
        }
        self.blocks = result.blocks
        return result.text, result.status

    def _look_up(self, call: Call, lookup: Lookup) -> tuple[str, Status]:
        found = self.findings[call.call.tool_call_id]
        if isinstance(found, Failed):
            return found.text, "error"
        match lookup:
            case ArchivalInsert():
                vector = found if isinstance(found, Embedded) else Embedded()
                self.passages.append(
                    NewPassage(
                        id=self.new_id("passage"),
                        text=lookup.text,
                        tags=lookup.tags,
                        tool_call_id=call.call.tool_call_id,
                        vector=vector.vector,
                        embedding_model=vector.model,
                    )
                )
                return "None", "success"
            case ToolRun():
                if not isinstance(found, ToolRan):
                    return "The tool was not run.", "error"
                return found.text, found.status
            case _:
                return _what_was_found(lookup, found, self.clock), "success"


def _what_was_found(
    lookup: ArchivalSearch | ConversationSearch | Expand, found: Finding, clock: Clock
) -> str:
    match lookup:
        case ArchivalSearch():
            passages = found.passages if isinstance(found, Found) else ()
            return render_archival_hits(passages, clock.tz)
        case ConversationSearch():
            messages = found.messages if isinstance(found, Found) else ()
            return render_conversation_hits(messages, now=clock.now, tz=clock.tz)
        case Expand():
            shown = found.expansion if isinstance(found, Expanded) else None
            return render_expansion(lookup, shown, clock.tz)


def block_changes(before: Sequence[Block], result: CallResult) -> BlockChanges:
    """What has to be written so that `before` becomes the result's blocks."""
    old = {block.id: block for block in before}
    new_ids = {block.id for block in result.blocks}
    edits = [
        BlockEdit(
            block=block,
            base_version=old[block.id].version if block.id in old else 0,
            tool_call_id=result.touched[block.id],
        )
        for block in result.blocks
        if old.get(block.id) != block
    ]
    return BlockChanges(
        edited=tuple(edit for edit in edits if edit.block.id in old),
        created=tuple(edit for edit in edits if edit.block.id not in old),
        detached=tuple(block.id for block in before if block.id not in new_ids),
    )
