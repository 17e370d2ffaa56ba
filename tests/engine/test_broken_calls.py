"""Tool calls that stay broken: the run ends, whoever takes its steps, and its agent goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.wires import a_reply
from support.world import World, an_agent, an_order, ended, history, value

from remanence.core.exchange import ToolCall
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.stopping import MAX_BROKEN_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from support.pg import Database

    from remanence.core.exchange import Reply


def unfit(number: int) -> Reply:
    call = ToolCall(
        tool_call_id=f"call-{number}", name="memory_insert", arguments='{"label":"human"}'
    )
    return a_reply(call, finish="tool_calls")


@pytest.fixture
def a_world(database: Database) -> Generator[Callable[..., World]]:
    made: list[World] = []

    def over(*steps: Reply) -> World:
        made.append(World.over(database.app_uri, steps))
        return made[-1]

    yield over
    for world in made:
        world.close()


def test_run_of_broken_calls_ends_and_the_next_one_is_answered(
    database: Database, a_world: Callable[..., World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(*(unfit(n) for n in range(MAX_BROKEN_STEPS)), a_reply("I am still here"))

    failed = ended(world.say(agent_id, "I am Ada"))
    answered = ended(world.say(agent_id, "And now?"))

    assert failed.stop_reason == "invalid_tool_call"
    assert failed.step_count == MAX_BROKEN_STEPS
    assert failed.error is not None
    assert failed.error.type == "llm_bad_tool_calls"
    assert answered.stop_reason == "end_turn"
    assert history(database.admin_uri, agent_id) == [
        ("user", "I am Ada"),
        *[("assistant", "memory_insert"), ("tool", _told(database, agent_id))] * MAX_BROKEN_STEPS,
        ("user", "And now?"),
        ("assistant", "I am still here"),
    ]
    turns = world.scripted.requests[-1].turns
    assert [turn.role for turn in turns[:-1]] == ["user", *["assistant", "tool"] * MAX_BROKEN_STEPS]


def _told(database: Database, agent_id: str) -> str:
    """What the model was told of its first broken call: what the tool takes."""
    text = value(
        database.admin_uri,
        "select parts -> 0 ->> 'text' from remanence.messages"
        " where agent_id = %s and role = 'tool' order by seq limit 1",
        agent_id,
    )
    assert "`new_string` is missing" in text
    return text


def test_broken_steps_are_counted_over_workers(
    database: Database, a_world: Callable[..., World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    known = a_world().engine.enqueue(
        DEFAULT_ORG_ID, an_order(agent_id, "I am Ada", background=True)
    )
    workers = [a_world(unfit(number)) for number in range(MAX_BROKEN_STEPS)]

    more = [
        worker.engine.advance(DEFAULT_ORG_ID, known.conversation_id or "", deadline=float("inf"))
        for worker in workers
    ]

    assert more == [True] * (MAX_BROKEN_STEPS - 1) + [False]
    assert value(
        database.admin_uri,
        "select array[status, stop_reason, error ->> 'type'] from remanence.runs where id = %s",
        known.run_id,
    ) == ["failed", "invalid_tool_call", "llm_bad_tool_calls"]
