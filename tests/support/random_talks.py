"""Agents that live at random for a while: everything that can change a prompt happens to them.

`Talks.play` talks to a few agents, edits their blocks from outside, compacts, recompiles, attaches
and detaches blocks and tools, reconfigures agents, answers approvals and returns of the caller's
tools; `sent` is what each step really asked of the model, by step id.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psycopg
from support.world import (
    World,
    a_block,
    a_message,
    a_tool,
    an_agent,
    an_order,
    attach_block,
)

from remanence.core.events import StepStarted, StepStored
from remanence.core.exchange import (
    Approval,
    Reasoning,
    Reply,
    Request,
    Text,
    ToolCall,
    ToolReturn,
    Usage,
)
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.types import Tool
from remanence.core.versions import Author
from remanence.db.catalog import Catalog
from remanence.db.catalog_blocks import BlockTarget
from remanence.db.queries import Queries
from remanence.engine.compact import compact_now
from remanence.errors import AppError, ProviderTooLong
from remanence.llm.models import Models
from remanence.zones import zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from remanence.core.claims import RunOrder
    from remanence.core.exchange import Delta, ModelInfo, Part

TOOLS = (
    "memory_insert",
    "memory_replace",
    "archival_memory_insert",
    "archival_memory_search",
    "conversation_search",
)
WORDS = [
    "tea",
    "milk",
    "Lisbon",
    "Ada",
    "café",
    "茶を飲む",
    "Привет",
    "🍵",
    "</value>",
    "4711",
    "https://example.org/a?b=c",
]
API = Author(origin="api")
ZONES = ("UTC", "Europe/Lisbon", "Asia/Kathmandu", "not/a-zone")
CALLERS = Tool(
    id="tool-caller",
    name="ask_caller",
    description="Asks the caller.",
    tool_type="external_client",
    parameters={"type": "object", "properties": {"q": {"type": "string"}, "a": {"type": "string"}}},
)


class Improviser:
    """A model that answers at random, and notes what it was asked in which step."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.step_id = ""  # empty: a summary is asked for
        self.sent: dict[str, Request] = {}

    def model_infos(self) -> Sequence[ModelInfo]:
        return ()

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        if self.rng.random() < 0.03:
            raise ProviderTooLong("too long")
        if self.step_id:
            self.sent[self.step_id] = request
        yield self._reply(request)

    def words(self, most: int) -> str:
        return " ".join(self.rng.choices(WORDS, k=self.rng.randint(1, most)))

    def _reply(self, request: Request) -> Reply:
        parts: list[Part] = []
        if self.rng.random() < 0.2:
            parts.append(Reasoning(text=self.words(5), signature="anthropic:signed"))
        if request.tools and self.rng.random() < 0.45:
            count = self.rng.choice([1, 1, 1, 2])
            parts += [self._call(self.rng.choice(request.tools).name) for _ in range(count)]
        else:
            parts.append(Text(text=self.words(60)))
        usage = Usage(prompt_tokens=self.rng.randint(300, 900), completion_tokens=9)
        return Reply(
            parts=tuple(parts), finish="stop", usage=usage if self.rng.random() < 0.5 else None
        )

    def _call(self, name: str) -> ToolCall:
        said = self.words(6)
        arguments: dict[str, Any] = {
            "memory_insert": {"label": "human", "new_string": said},
            "memory_replace": {"label": "human", "old_string": "tea", "new_string": said},
            "archival_memory_insert": {"content": said, "tags": ["a"]},
            "archival_memory_search": {"query": said},
            "conversation_search": {"query": said},
            "send_message": {"message": said},
        }.get(name, {"q": said})
        text = json.dumps(arguments)
        return ToolCall(
            tool_call_id=f"call-{self.rng.getrandbits(40):x}",
            name=name,
            arguments=text if self.rng.random() < 0.93 else text[:-3],
        )


@dataclass
class Talks:
    """A worker, its improvising model, and the agents it plays with."""

    admin_uri: str
    world: World
    model: Improviser
    catalog: Catalog
    agents: list[str] = field(default_factory=list)
    waiting: dict[str, tuple[ToolCall, ...]] = field(default_factory=dict)
    shared: str = ""

    @classmethod
    def over(cls, admin_uri: str, app_uri: str, seed: int) -> Talks:
        rng = random.Random(seed)  # noqa: S311  a play, and the same one again
        model = Improviser(rng)
        models = Models((), in_process={"scripted": model}, default_handle="scripted/model")
        world = World.over(app_uri, models=models, zones=zone)
        talks = cls(admin_uri, world, model, Catalog(Queries(world.connections)))
        talks.agents = [talks._agent(number) for number in range(5)]
        return talks

    def _agent(self, number: int) -> str:
        rng = self.model.rng
        rules = [
            [],
            [{"type": "requires_approval", "tool_name": "memory_insert"}],
            [{"type": "run_first", "tool_name": "conversation_search"}],
            [{"type": "max_count_per_step", "tool_name": "memory_insert", "max_count_limit": 1}],
        ]
        agent_id = an_agent(
            self.admin_uri,
            blocks={"human": "Ada likes tea.", "persona": "I remember."},
            tools=(*TOOLS, "send_message") if number == 4 else TOOLS,
            agent_type="memgpt_agent" if number == 4 else "letta_v1_agent",
            context_window_limit=rng.choice([3_500, 4_500, 16_000]),
            timezone=rng.choice(ZONES),
            tool_rules=rules[number % len(rules)],
            model_settings={"temperature": 0.5} if number == 2 else {},
        )
        with psycopg.connect(self.admin_uri, autocommit=True) as conn:
            if number == 0:
                self.shared = a_block(conn, "team", "Ada, Bob")
            attach_block(conn, agent_id, self.shared, "team", 9)
        return agent_id

    def play(self, *, steps: int) -> dict[str, Request]:
        """Let them live until `steps` requests were answered; what was sent, by step id."""
        acts = [self._say] * 8 + [self._edit, self._edit, self._compact, self._recompile, self._set]
        acts += [self._link_block, self._link_tool]
        while len(self.model.sent) < steps:
            with suppress(AppError):  # a block that is full, a conversation that has nothing to cut
                self.model.rng.choice(acts)(self.model.rng.choice(self.agents))
        return self.model.sent

    def close(self) -> None:
        self.world.close()

    def _say(self, agent_id: str) -> None:
        rng = self.model.rng
        calls = self.waiting.pop(agent_id, ())
        if calls:
            self._run(agent_id, self._answer(agent_id, calls))
            return
        options: dict[str, Any] = {"max_steps": 4}
        if rng.random() < 0.2:
            options["override_system"] = self.model.words(20)
        if rng.random() < 0.2:
            options["instructions"] = self.model.words(8)
        if rng.random() < 0.2:
            options["override_model"] = "scripted/other"
        if rng.random() < 0.2:
            options["client_tools"] = (CALLERS,)
        self._run(agent_id, an_order(agent_id, self.model.words(120), **options))

    def _answer(self, agent_id: str, calls: Sequence[ToolCall]) -> RunOrder:
        """Approve, deny or return what waits."""
        parts = tuple(
            ToolReturn(tool_call_id=call.tool_call_id, name=call.name, text=self.model.words(9))
            if call.name == CALLERS.name
            else Approval(tool_call_id=call.tool_call_id, approve=self.model.rng.random() < 0.6)
            for call in calls
        )
        message = replace(a_message("", "approval"), parts=parts)
        return replace(an_order(agent_id, max_steps=3), messages=(message,))

    def _run(self, agent_id: str, order: RunOrder) -> None:
        for event in self.world.engine.start(DEFAULT_ORG_ID, order, stream=False):
            if isinstance(event, StepStarted):
                self.model.step_id = event.step_id
            if isinstance(event, StepStored):
                self.waiting[agent_id] = tuple(
                    part
                    for message in event.messages
                    if message.role == "approval"
                    for part in message.parts
                    if isinstance(part, ToolCall) and part.waits
                )

    def _edit(self, agent_id: str) -> None:
        """From outside: the shared block, or one of the agent's own."""
        mine = {"agent_id": agent_id, "label": "human"}
        target = self.model.rng.choice([{"block_id": self.shared}, mine])
        self.catalog.blocks.update_block(
            DEFAULT_ORG_ID, BlockTarget(**target), {"value": self.model.words(25)}, API
        )

    def _compact(self, agent_id: str) -> None:
        self.model.step_id = ""
        compact_now(self.world.deps, DEFAULT_ORG_ID, self._conversation(agent_id), lambda s: s)

    def _recompile(self, agent_id: str) -> None:
        self.catalog.agents.forget_epochs(DEFAULT_ORG_ID, agent_id)

    def _set(self, agent_id: str) -> None:
        """Another system prompt, time zone or window."""
        with psycopg.connect(self.admin_uri, autocommit=True) as conn:
            conn.execute(
                "update remanence.agents set system = %s, timezone = %s, context_window_limit = %s,"
                " version = version + 1 where id = %s",
                [
                    self.model.words(30),
                    self.model.rng.choice(ZONES),
                    self.model.rng.choice([3_500, 5_000, 20_000]),
                    agent_id,
                ],
            )

    def _link_block(self, agent_id: str) -> None:
        """The shared block comes or goes."""
        self.catalog.agents.link_block(
            DEFAULT_ORG_ID, agent_id, self.shared, attach=self.model.rng.random() < 0.6
        )

    def _link_tool(self, agent_id: str) -> None:
        """A tool comes or goes."""
        with psycopg.connect(self.admin_uri, autocommit=True) as conn:
            tool_id = a_tool(conn, self.model.rng.choice(TOOLS))
        self.catalog.agents.link_tool(
            DEFAULT_ORG_ID, agent_id, tool_id, attach=self.model.rng.random() < 0.6
        )

    def _conversation(self, agent_id: str) -> str:
        with psycopg.connect(self.admin_uri) as conn:
            row = conn.execute(
                "select id from remanence.conversations where agent_id = %s", [agent_id]
            ).fetchone()
        assert row is not None
        return str(row[0])
