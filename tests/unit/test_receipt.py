"""What a step's receipt holds, and what it must not hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.states import CLOCK, IDS, Ids, a_block, a_state, a_tool, said

from remanence.core.calls import read_calls
from remanence.core.context import compile_context
from remanence.core.exchange import ModelSettings, Reply, Text, ToolCall
from remanence.core.findings import Found
from remanence.core.plan import plan_step
from remanence.core.receipt import KNOWN_SNAPSHOTS, known_after, receipt_of, snapshots_of
from remanence.core.search_tools import PassageHit
from remanence.core.step import Outcome, advance, apply_reply
from remanence.core.types import Passage, RunOptions

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject
    from remanence.core.types import State


def receipt_for(state: State) -> JsonObject:
    context = compile_context(state, UTC)
    return receipt_of(context, snapshots_of(context))


def stepped(state: State, reply: Reply, **found: Found) -> Outcome:
    plan = plan_step(state, clock=CLOCK, new_id=Ids())
    calls = read_calls(reply, plan.state, CLOCK)
    return apply_reply(plan, reply, calls, {**found}, ids=IDS, clock=CLOCK, new_id=Ids())


def says(text: str) -> Reply:
    return Reply(parts=(Text(text=text),), finish="stop")


def test_receipt_names_versions_and_ids_but_no_words() -> None:
    state = a_state(
        blocks=(a_block(value="secret word", version=7),),
        window=(said("another secret", 3), said("and a secret answer", 4, "assistant")),
        agent_system="A secret prompt.",
        options=RunOptions(instructions="Secret instructions."),
    )

    receipt = receipt_for(state)

    assert receipt["blocks"] == {"block-human": 7}
    assert receipt["messages"] == [3, 4]
    assert receipt["message_ids"] == ["message-3", "message-4"]
    assert "secret" not in json.dumps(receipt).lower()


def test_receipt_does_not_grow_with_the_window() -> None:
    short = a_state(window=tuple(said("hi", seq) for seq in range(101, 103)))
    long = a_state(window=tuple(said("hi", seq) for seq in range(101, 901)))

    assert len(json.dumps(receipt_for(long))) - len(json.dumps(receipt_for(short))) < 10


@pytest.mark.parametrize(
    "changed",
    [
        a_state(agent_model="scripted/other"),
        a_state(agent_model_settings=ModelSettings(temperature=0.5)),
        a_state(window=(said("Hello?", 1),)),
        a_state(blocks=(a_block(value="Ada."),)),
        a_state(tools=(a_tool("memory_insert"),)),
    ],
)
def test_hash_tells_requests_apart(changed: State) -> None:
    assert receipt_for(a_state())["request"] != receipt_for(changed)["request"]


def test_hash_of_equal_states_is_equal() -> None:
    assert receipt_for(a_state()) == receipt_for(a_state())


def test_step_stores_the_texts_of_its_request_once() -> None:
    first = stepped(a_state(), says("Hello."))
    assert first.plan is not None
    second = stepped(advance(first.plan.state, first, next_seq=3), says("Well?"))

    assert [snapshot.kind for snapshot in first.snapshots] == ["system", "tools"]
    assert [snapshot.hash for snapshot in first.snapshots] == [
        first.receipt["system"],
        first.receipt["tools"],
    ]
    assert second.snapshots == ()
    assert second.receipt["system"] == first.receipt["system"]


def test_equal_words_in_another_block_are_another_snapshot() -> None:
    one, other = (
        snapshots_of(compile_context(a_state(blocks=(a_block(id=name),)), UTC))[0]
        for name in ("block-1", "block-2")
    )

    assert one.body == other.body
    assert one.hash != other.hash


def test_conversation_remembers_the_newest_snapshots() -> None:
    system, tools = snapshots_of(compile_context(a_state(), UTC))

    known = known_after([f"h{n}" for n in range(20)], (system, tools))

    assert known[:3] == (system.hash, tools.hash, "h0")
    assert len(known) == KNOWN_SNAPSHOTS


def test_receipt_names_the_passages_that_a_search_brought_and_their_scores() -> None:
    call = ToolCall(
        tool_call_id="call-1", name="archival_memory_search", arguments='{"query": "tea"}'
    )
    passage = Passage(
        id="passage-1",
        archive_id="archive-1",
        text="Secret tea.",
        tags=(),
        created_at=datetime(2026, 5, 4, tzinfo=UTC),
    )
    state = a_state(tools=(a_tool("archival_memory_search"),))
    found = Found(passages=(PassageHit(passage=passage, score=0.98765),))

    outcome = stepped(state, Reply(parts=(call,), finish="tool_calls"), **{"call-1": found})

    assert outcome.receipt["passages"] == [["passage-1", 0.9877]]
    assert "Secret tea" not in json.dumps(outcome.receipt)
