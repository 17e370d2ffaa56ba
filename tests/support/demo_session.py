"""A conversation with the demonstration model over the real core: every step is planned, run and
applied as the engine does it, only the database is left out. Searches compare words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from remanence.core.builtin import BUILTIN_TOOLS
from remanence.core.calls import Clock, lookups_of, read_calls
from remanence.core.exchange import ModelSettings, Reply, Text, TextDelta, ToolReturn, Usage
from remanence.core.findings import Embedded, Found
from remanence.core.plan import plan_step
from remanence.core.search_tools import ArchivalInsert, ArchivalSearch, MessageHit, PassageHit
from remanence.core.step import StepIds, advance, apply_reply
from remanence.core.summaries import CompactionSettings
from remanence.core.types import (
    Agent,
    Block,
    Conversation,
    Epoch,
    MemoryCounts,
    Message,
    Passage,
    Run,
    RunOptions,
    State,
    StopReason,
    TokenAnchor,
    Tool,
    ToolRule,
)
from remanence.demo.model import DemoModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from remanence.core.exchange import Request

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CLOCK = Clock(now=NOW, tz=UTC)
TALKS = ("memory_insert", "memory_replace", "conversation_search")
ARCHIVES = ("archival_memory_insert", "archival_memory_search")
MEMGPT = ("send_message", "core_memory_append", "core_memory_replace", "conversation_search")


@dataclass(frozen=True)
class Made:
    """A call the model made: its name and arguments, and whether it went well."""

    name: str
    arguments: dict[str, Any]
    is_ok: bool


def a_tool(name: str, properties: dict[str, Any] | None = None) -> Tool:
    """A built-in tool, or one that only the model knows: running it gives an error."""
    if name in BUILTIN_TOOLS:
        spec = BUILTIN_TOOLS[name].spec
        return Tool(
            id=f"tool-{name}",
            name=name,
            description=spec.description,
            tool_type=BUILTIN_TOOLS[name].tool_type,
            parameters=spec.parameters,
        )
    return Tool(
        id=f"tool-{name}",
        name=name,
        description="",
        tool_type="external_mcp",
        parameters={
            "type": "object",
            "properties": properties or {},
            "required": list(properties or {}),
        },
    )


def a_block(label: str, value: str = "", *, limit: int = 2_000, read_only: bool = False) -> Block:
    return Block(id=f"block-{label}", label=label, value=value, limit=limit, read_only=read_only)


@dataclass
class DemoSession:
    """Say something with `say`; then see `made`, `blocks` and `archive`."""

    tools: Sequence[str | Tool] = (*TALKS, *ARCHIVES)
    blocks: list[Block] = field(
        default_factory=lambda: [a_block("human"), a_block("persona", "I am a kind companion.")]
    )
    agent_type: Any = "letta_v1_agent"
    rules: Sequence[ToolRule] = ()
    parallel: bool = True
    returns: Mapping[str, str] = field(default_factory=dict)
    archive: list[str] = field(default_factory=list)
    window: tuple[Message, ...] = ()
    forgotten: tuple[Message, ...] = ()
    made: list[Made] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    stop_reason: StopReason | None = None
    epoch: Epoch | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def say(self, text: str) -> str:
        """Send a message, take every step of its run, and return what the user reads."""
        self.made = []
        said = Message(
            id=self._id("message"),
            role="user",
            parts=(Text(text=text),),
            created_at=NOW,
            seq=len(self.window) + 1,
        )
        self.window = (*self.window, said)
        state = self._state()
        for _ in range(20):
            state = self._step(state)
            if self.stop_reason is not None:
                return self._heard()
        raise AssertionError(f"the run does not end: {self.made}")

    def value(self, label: str = "human") -> str:
        return next(block.value for block in self.blocks if block.label == label)

    def names(self) -> list[str]:
        """The tools called since the last message, in order."""
        return [made.name for made in self.made]

    def forget_window(self) -> None:
        """Start anew, with everything said so far in recall memory only."""
        self.forgotten, self.window = (*self.forgotten, *self.window), ()
        self.epoch = None

    def _step(self, state: State) -> State:
        plan = plan_step(state, clock=CLOCK, new_id=lambda: self._id("summary"))
        request = plan.context.request
        self.requests.append(request)
        *deltas, reply = DemoModel().call(request, stream=True, deadline=0.0)
        assert isinstance(reply, Reply)
        assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == reply.text
        calls = read_calls(reply, plan.state, CLOCK)
        assert not [call.problem for call in calls if call.problem]
        findings = {
            lookup.tool_call_id: self._found(lookup)
            for lookup in lookups_of(calls, plan.context.allowed)
        }
        ids = StepIds(
            step_id=self._id("step"),
            message_id=self._id("message"),
            tool_message_id=self._id("message"),
            notice_id=self._id("message"),
            note_id=self._id("message"),
        )
        outcome = apply_reply(plan, reply, calls, findings, ids=ids, clock=CLOCK, new_id=self._id)
        outcome = replace(
            outcome, messages=tuple(self._with_custom_returns(m) for m in outcome.messages)
        )
        self.archive += [passage.text for passage in outcome.passages]
        self._note_calls(outcome.messages)
        self.stop_reason = outcome.stop_reason
        state = advance(state, outcome, next_seq=len(state.window) + len(outcome.messages) + 1)
        self.blocks, self.window = list(state.blocks), state.window
        self.epoch = state.conversation.epoch
        return state

    def _with_custom_returns(self, message: Message) -> Message:
        """Tools that this server does not run return what `returns` says."""
        parts = tuple(
            replace(part, text=self.returns[part.name], status="success")
            if isinstance(part, ToolReturn) and part.name in self.returns
            else part
            for part in message.parts
        )
        return replace(message, parts=parts)

    def _note_calls(self, messages: Sequence[Message]) -> None:
        calls = {c.tool_call_id: c for m in messages for c in m.parts if hasattr(c, "arguments")}
        for message in messages:
            for part in message.parts:
                if isinstance(part, ToolReturn):
                    call = calls[part.tool_call_id]
                    arguments = json.loads(call.arguments)
                    self.made.append(Made(part.name, arguments, part.status == "success"))

    def _heard(self) -> str:
        """The text of the last message, or of the last call of send_message."""
        last = [m for m in self.window if m.role == "assistant"][-1]
        spoken = [made.arguments["message"] for made in self.made if made.name == "send_message"]
        text = "".join(part.text for part in last.parts if isinstance(part, Text))
        return text or "".join(spoken[-1:])

    def _found(self, lookup: Any) -> Embedded | Found:
        if isinstance(lookup, ArchivalInsert):
            return Embedded()
        if isinstance(lookup, ArchivalSearch):
            hits = [text for text in self.archive if _shares_a_word(text, lookup.query)]
            return Found(passages=tuple(PassageHit(passage=_passage(text)) for text in hits))
        said = [
            message
            for message in (*self.forgotten, *self.window)
            if message.role in (lookup.roles or ("user", "assistant"))
        ]
        heard = [m for m in said if _shares_a_word(_words_of(m), lookup.query)]
        return Found(messages=tuple(MessageHit(message=message) for message in heard))

    def _id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"

    def _state(self) -> State:
        tools = tuple(tool if isinstance(tool, Tool) else a_tool(tool) for tool in self.tools)
        conversation = Conversation(
            id="conv-1",
            agent_id="agent-1",
            is_default=True,
            next_seq=len(self.window) + 1,
            window_from_seq=1,
            anchor=TokenAnchor(),
            epoch=self.epoch,
        )
        run = Run(
            id=self._id("run"),
            agent_id="agent-1",
            conversation_id="conv-1",
            status="running",
            options=RunOptions(),
            background=False,
            created_at=NOW,
        )
        return State(
            org_id="org-1",
            agent=self._agent(),
            blocks=tuple(self.blocks),
            tools=tools,
            conversation=conversation,
            run=run,
            step_no=1,
            window=self.window,
            summaries=(),
            counts=MemoryCounts(archival=len(self.archive)),
            called_tools=(),
            usage=Usage(),
            fence=1,
            lease_token="t",
        )

    def _agent(self) -> Agent:
        return Agent(
            id="agent-1",
            name="demo",
            agent_type=self.agent_type,
            system="You are a companion.",
            model="demo/remanence-demo",
            embedding=None,
            description=None,
            context_window_limit=32_768,
            model_settings=ModelSettings(parallel_tool_calls=self.parallel),
            compaction_settings=CompactionSettings(),
            tool_rules=tuple(self.rules),
            tags=(),
            metadata={},
            timezone="UTC",
            message_buffer_autoclear=False,
            hidden=False,
            extras={},
            version=1,
            created_at=NOW,
            updated_at=NOW,
        )


def _passage(text: str) -> Passage:
    return Passage(id="passage-1", archive_id="archive-1", text=text, tags=(), created_at=NOW)


def _words_of(message: Message) -> str:
    return " ".join(part.text for part in message.parts if isinstance(part, Text))


def _shares_a_word(text: str, query: str) -> bool:
    """Whether a search by words would find the text; signs of unspaced scripts are words."""
    return bool(_words(text) & _words(query))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-zà-ÿ0-9]+|[\u3040-\u9fff]", text.lower()))
