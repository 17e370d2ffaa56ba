"""A conversation with many edits of memory, and how much of each of its requests repeats the last.

`Conversation.play` speaks over a real engine and database; the agent, callers of the API and
another agent edit what is in its prompt, and the sweep compacts it. What is kept are the requests
that reached the model, and beside each the one that compiling at every step would have sent then.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
from support.world import World, a_block, an_agent, attach_block, ended, value

from remanence.core.context import compile_context
from remanence.core.exchange import Reply, Text, ToolCall
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.versions import Author
from remanence.db.catalog import Catalog
from remanence.db.catalog_blocks import BlockTarget
from remanence.db.queries import Queries
from remanence.engine.sweep import sweep
from remanence.llm import anthropic_request, openai_request
from remanence.llm.vendors import VENDORS
from remanence.zones import zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.pg import Database

    from remanence.core.exchange import Request

OPENAI, ANTHROPIC = (
    next(vendor for vendor in VENDORS if vendor.name == name) for name in ("openai", "anthropic")
)
CHATTER = "We talked about the garden, the weather in the hills, and what to cook on Sunday. "
NOTED = Reply(parts=(Text(text=f"Noted. {CHATTER}"),), finish="stop")
SUMMARY = Reply(parts=(Text(text="They talked about the garden and the hills."),), finish="stop")
COMPACT_AT = 0.7


class Conversation:
    """An agent that is spoken to, another one on its shared block, callers, and the sweep."""

    def __init__(self, database: Database, *, window: int) -> None:
        self.admin_uri = database.admin_uri
        self.sent: list[Request] = []
        self.afresh: list[Request] = []
        self.edits: Counter[str] = Counter()
        self.compactions = 0
        self.agent_id = self._agent(context_window_limit=window, system="You remember. " * 60)
        self.other_id = self._agent()
        with psycopg.connect(self.admin_uri, autocommit=True) as conn:
            human = a_block(conn, "human", "Ada likes tea.", 20_000)
            attach_block(conn, self.agent_id, human, "human")
            team = a_block(conn, "team", "Ada, Bob", 20_000)
            for agent_id in (self.agent_id, self.other_id):
                attach_block(conn, agent_id, team, "team", 1)
        self.conversation_id: str = value(
            self.admin_uri,
            "select id from remanence.conversations where agent_id = %s",
            self.agent_id,
        )
        self.uri = database.app_uri
        self.sweeper = World.over(self.uri, [SUMMARY] * 500)
        self.blocks = Catalog(Queries(self.sweeper.connections)).blocks

    def play(self, turns: int) -> None:
        """Of every twenty turns the agent edits in two, the API and the other agent in one."""
        talker = World.over(
            self.uri, [self._noting(r) for turn in range(turns) for r in _replies(turn)], zones=zone
        )
        self.world = talker
        others = [r for turn in range(turns) for r in (_edit("team", f"Met {turn}."), NOTED)]
        other = World.over(self.uri, others)
        for turn in range(turns):
            if turn % 20 == 5:
                self._edit_by_api(turn)
            if turn % 20 == 15:
                assert ended(other.say(self.other_id, "Who was there?")).step_count == 2
                self.edits["another agent"] += 1
            end = ended(talker.say(self.agent_id, f"{turn}: {CHATTER * 3}"))
            assert end.stop_reason == "end_turn"
            self.edits["the agent"] += end.step_count - 1
            self.compactions += sweep(
                self.sweeper.deps, share=COMPACT_AT, deadline=float("inf")
            ).compacted
        for world in (talker, other):
            world.close()

    def close(self) -> None:
        self.sweeper.close()

    def _agent(self, **columns: Any) -> str:
        return an_agent(self.admin_uri, tools=("memory_insert", "conversation_search"), **columns)

    def _noting(self, reply: Reply) -> Callable[[Request], Reply]:
        """A reply; when it is asked for, both ways of asking are kept."""

        def answer(request: Request) -> Reply:
            state = self.world.deps.store.peek_state(DEFAULT_ORG_ID, self.conversation_id)
            talk = replace(state.conversation, epoch=None)
            compiled = compile_context(replace(state, conversation=talk), zone("UTC"))
            self.sent.append(request)
            self.afresh.append(replace(request, system=compiled.request.system))
            return reply

        return answer

    def _edit_by_api(self, turn: int) -> None:
        block = self.blocks.load_agent_block(DEFAULT_ORG_ID, self.agent_id, "human")
        self.blocks.update_block(
            DEFAULT_ORG_ID,
            BlockTarget(block_id=block.id),
            {"value": f"{block.value}\nTold from outside: {turn}."},
            Author(origin="api"),
        )
        self.edits["the API"] += 1


def _replies(turn: int) -> list[Reply]:
    return [_edit("human", f"Fact {turn}."), NOTED] if turn % 10 == 0 else [NOTED]


def _edit(label: str, line: str) -> Reply:
    arguments = json.dumps({"label": label, "new_string": line})
    call = ToolCall(tool_call_id=f"call-{line}", name="memory_insert", arguments=arguments)
    return Reply(parts=(call,), finish="tool_calls")


def openai_bytes(request: Request) -> bytes:
    """What OpenAI reads, in its order: it caches the longest prefix by itself."""
    body = openai_request.to_body(request, OPENAI, stream=True)
    return json.dumps([body["tools"], body["messages"]]).encode()


def anthropic_blocks(request: Request) -> list[tuple[str, bool]]:
    """The blocks that Anthropic reads, in its order, and which of them end a part to be cached."""
    body: Any = anthropic_request.to_body(request, ANTHROPIC, stream=True)
    blocks = [*body["tools"], *body["system"]]
    blocks += [
        {"role": message["role"], **block}
        for message in body["messages"]
        for block in message["content"]
    ]
    return [
        (
            json.dumps({key: item for key, item in block.items() if key != "cache_control"}),
            "cache_control" in block,
        )
        for block in blocks
    ]


def marked_prefixes(request: Request) -> list[str]:
    """What Anthropic keeps of a request: everything up to each mark."""
    blocks = anthropic_blocks(request)
    return [
        "".join(text for text, _ in blocks[: place + 1])
        for place, (_, marked) in enumerate(blocks)
        if marked
    ]


def share_on_openai(sent: list[Request]) -> float:
    """Of all bytes but the first request's, how many repeat the request before from its start."""
    read = [openai_bytes(request) for request in sent]
    repeated = sum(_shared(before, after) for before, after in itertools.pairwise(read))
    return repeated / sum(len(request) for request in read[1:])


def share_on_anthropic(sent: list[Request]) -> float:
    """The same, of what was marked in the request before and is there again in this one."""
    repeated = total = 0
    for before, after in itertools.pairwise(sent):
        text = "".join(block for block, _ in anthropic_blocks(after))
        repeated += max((len(p) for p in marked_prefixes(before) if text.startswith(p)), default=0)
        total += len(text)
    return repeated / total


def _shared(before: bytes, after: bytes) -> int:
    """Length of the common prefix, by halving."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before[:middle] == after[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
