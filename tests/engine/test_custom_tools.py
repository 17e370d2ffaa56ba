"""Tools with outside effects: committed before they run, and run once whatever dies in between."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.world import World, a_message, an_agent, ended, history, new_id, stored, value

from remanence.core.claims import RunOrder
from remanence.core.custom_tools import ToolRan
from remanence.core.exchange import Approval, Reply, Text, ToolCall, Usage
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.types import RunOptions
from remanence.db.catalog_tools import Tools
from remanence.db.queries import Queries
from remanence.engine.custom import CustomTools
from remanence.engine.points import Point
from remanence.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from support.pg import Database, Databases

    from remanence.core.custom_tools import ToolRun

USAGE = Usage(prompt_tokens=100, completion_tokens=5)


class Died(BaseException):
    """A worker that is gone: nothing in it catches this, and nothing is cleaned up."""


@dataclass
class Street:
    """A sandbox whose tools have an outside effect that is counted, by idempotency key."""

    die_after: int | None = None
    effects: list[str] = field(default_factory=list)
    on_run: Callable[[], None] | None = None

    def run(self, run: ToolRun, *, timeout_s: float) -> ToolRan:
        assert run.tool.source_code == "source"
        assert 0 < timeout_s < 120
        if self.on_run:
            self.on_run()
        self.effects.append(f"{run.tool_call_id} {json.dumps(run.arguments)}")
        if self.die_after == len(self.effects):
            raise Died
        return ToolRan(text=f"sent {len(self.effects)}", status="success", stdout=("out",))


@pytest.fixture(scope="module")
def database(databases: Databases) -> Generator[Database]:
    """A database of its own: other tests count the tools of theirs."""
    clone = databases.clone()
    yield clone
    databases.drop(clone)


@pytest.fixture
def worlds() -> Generator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


def a_world(
    worlds: list[World], database: Database, street: Street, *replies: Reply, **changes: Any
) -> World:
    world = World.over(database.app_uri, replies, **changes)
    tools = CustomTools(
        sources=Tools(Queries(world.connections)), sandbox=street, opener=Sealer([])
    )
    object.__setattr__(world.deps, "custom_tools", tools)
    worlds.append(world)
    return world


def an_agent_with(database: Database, *tools: str, **columns: Any) -> str:
    """An agent with custom tools of these names (and of its own)."""
    agent_id = an_agent(database.admin_uri, blocks={"human": "Name: Bob"}, **columns)
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        for place, name in enumerate(tools, start=10):
            tool_id = new_id("tool")
            conn.execute(
                "insert into remanence.tools"
                " (id, org_id, name, description, tool_type, parameters, source_code)"
                " values (%s, %s, %s, 'Sends.', 'custom', %s, 'source')"
                " on conflict (org_id, name) do nothing",
                [tool_id, DEFAULT_ORG_ID, name, json.dumps(PARAMETERS)],
            )
            conn.execute(
                "insert into remanence.agents_tools (org_id, agent_id, tool_id, position)"
                " select %s, %s, id, %s from remanence.tools where name = %s",
                [DEFAULT_ORG_ID, agent_id, place, name],
            )
    return agent_id


PARAMETERS = {"type": "object", "properties": {"to": {"type": "string"}}}


def calling(*calls: tuple[str, str]) -> Reply:
    parts = tuple(
        ToolCall(tool_call_id=f"call-{place}", name=name, arguments=arguments)
        for place, (name, arguments) in enumerate(calls, start=1)
    )
    return Reply(parts=parts, finish="tool_calls", usage=USAGE)


DONE = Reply(parts=(Text(text="done"),), finish="stop", usage=USAGE)
SEND = ("send_mail", '{"to": "ann"}')
INSERT = ("memory_insert", '{"label": "human", "new_string": "has mail"}')


def expire_leases(database: Database, agent_id: str) -> str:
    """As time would; returns the agent's conversation."""
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        row = conn.execute(
            "update remanence.conversations set lease_until = clock_timestamp() - interval '1 s'"
            " where agent_id = %s returning id",
            [agent_id],
        ).fetchone()
    assert row is not None
    return str(row[0])


def finish(world: World, database: Database, agent_id: str) -> None:
    """Another worker goes on, one step for each bell."""
    conversation_id = expire_leases(database, agent_id)
    while world.engine.advance(
        DEFAULT_ORG_ID, conversation_id, deadline=world.deps.monotonic() + 60
    ):
        pass


def run_status(database: Database, agent_id: str) -> str:
    return str(
        value(database.admin_uri, "select status from remanence.runs where agent_id = %s", agent_id)
    )


def test_reply_is_committed_before_its_call_runs(database: Database, worlds: list[World]) -> None:
    agent_id = an_agent_with(database, "send_mail")
    seen: list[Any] = []
    street = Street(on_run=lambda: seen.append(history(database.admin_uri, agent_id)))
    world = a_world(worlds, database, street, calling(SEND), DONE)

    events = world.say(agent_id, "mail ann")

    assert seen == [[("user", "mail ann"), ("assistant", "send_mail")]]
    assert history(database.admin_uri, agent_id) == [
        ("user", "mail ann"),
        ("assistant", "send_mail"),
        ("tool", "sent 1"),
        ("assistant", "done"),
    ]
    assert ended(events).stop_reason == "end_turn"
    took_ns = value(
        database.admin_uri,
        "select min(step_ns) from remanence.steps where agent_id = %s",
        agent_id,
    )
    assert took_ns > 0
    (answer,) = [message for message in stored(events) if message.role == "tool"]
    assert answer.parts[0].stdout == ("out",)  # type: ignore[union-attr]


def test_model_is_asked_once_per_reply_and_sees_one_return_per_call(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent_with(database, "send_mail")
    world = a_world(worlds, database, Street(), calling(SEND, INSERT, SEND), DONE)

    world.say(agent_id, "mail ann")

    first, second = world.scripted.requests
    assert len(second.turns) == len(first.turns) + 2
    assert [part.tool_call_id for part in second.turns[-1].parts] == [  # type: ignore[union-attr]
        "call-1",
        "call-2",
        "call-3",
    ]


def test_worker_that_dies_after_the_intent_leaves_the_call_to_the_next(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent_with(database, "send_mail")
    street = Street()

    def die(point: Point) -> None:
        if point is Point.AFTER_COMMIT:
            raise Died

    with pytest.raises(Died):
        a_world(worlds, database, street, calling(SEND), reach=die).say(agent_id, "mail ann")
    assert street.effects == []
    finish(a_world(worlds, database, street, DONE), database, agent_id)

    assert street.effects == ['call-1 {"to": "ann"}']
    assert [text for _, text in history(database.admin_uri, agent_id)] == [
        "mail ann",
        "send_mail",
        "sent 1",
        "done",
    ]
    assert run_status(database, agent_id) == "completed"


def test_worker_that_dies_in_a_call_repeats_only_that_call_with_its_key(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent_with(database, "send_mail")
    street = Street(die_after=2)

    with pytest.raises(Died):
        a_world(worlds, database, street, calling(SEND, INSERT, SEND)).say(agent_id, "mail")
    finish(a_world(worlds, database, street, DONE), database, agent_id)

    keys = [effect.split()[0] for effect in street.effects]
    assert keys == ["call-1", "call-3", "call-3"]
    assert history(database.admin_uri, agent_id)[2:] == [
        ("tool", "sent 1"),
        ("tool", history(database.admin_uri, agent_id)[3][1]),
        ("assistant", "done"),
    ]
    stored_value = value(
        database.admin_uri,
        "select block.value from remanence.blocks as block"
        " join remanence.agents_blocks as link on link.block_id = block.id"
        " where link.agent_id = %s",
        agent_id,
    )
    assert stored_value == "Name: Bob\nhas mail"


def test_call_that_a_rule_forbids_is_refused_with_the_intent(
    database: Database, worlds: list[World]
) -> None:
    rules = [
        {"type": "run_first", "tool_name": "send_mail", "args": {"to": "boss"}},
        {"type": "max_count_per_step", "tool_name": "send_mail", "max_count_limit": 1},
    ]
    agent_id = an_agent_with(database, "send_mail", tool_rules=rules)
    street = Street()
    world = a_world(worlds, database, street, calling(INSERT, SEND), DONE)

    world.say(agent_id, "mail ann")

    told = [text for role, text in history(database.admin_uri, agent_id) if role == "tool"]
    assert told[0].startswith("[ToolConstraintError] Cannot call memory_insert")
    assert street.effects == ['call-2 {"to": "boss"}']
    assert told[1] == "sent 1"


def test_exit_rule_of_an_earlier_call_ends_the_run_after_the_last(
    database: Database, worlds: list[World]
) -> None:
    rules = [{"type": "exit_loop", "tool_name": "send_mail"}]
    agent_id = an_agent_with(database, "send_mail", "send_letter", tool_rules=rules)
    street = Street()
    world = a_world(worlds, database, street, calling(SEND, ("send_letter", "{}")))

    events = world.say(agent_id, "mail ann")

    assert ended(events).stop_reason == "tool_rule"
    assert len(street.effects) == 2


@pytest.mark.parametrize(
    ("approve", "effects", "told"),
    [(True, ['call-1 {"to": "ann"}'], "sent 1"), (False, [], "The user denied this call (no)")],
)
def test_call_that_waits_runs_when_a_person_approves_it(
    database: Database, worlds: list[World], approve: bool, effects: list[str], told: str
) -> None:
    rules = [{"type": "requires_approval", "tool_name": "send_mail"}]
    agent_id = an_agent_with(database, "send_mail", tool_rules=rules)
    street = Street()
    asked = a_world(worlds, database, street, calling(SEND, INSERT)).say(agent_id, "mail ann")
    part = Approval(tool_call_id="call-1", approve=approve, reason="no")
    answer = RunOrder(
        agent_id=agent_id,
        conversation_id=None,
        messages=(replace(a_message("", "approval"), parts=(part,)),),
        options=RunOptions(max_steps=1),
    )
    later = a_world(worlds, database, street, DONE)

    events = list(later.engine.start(DEFAULT_ORG_ID, answer, stream=False))

    assert ended(asked).stop_reason == "requires_approval"
    assert street.effects == effects
    returned = [text for role, text in history(database.admin_uri, agent_id) if role == "tool"]
    assert told in " ".join(returned)
    assert ended(events).stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("heartbeat", "reason", "asked"), [("true", "end_turn", 2), ("false", "end_turn", 1)]
)
def test_heartbeat_asked_for_beside_a_custom_call_is_kept(
    database: Database, worlds: list[World], heartbeat: str, reason: str, asked: int
) -> None:
    agent_id = an_agent_with(database, "send_mail", agent_type="memgpt_agent")
    first = ("send_mail", f'{{"to": "ann", "request_heartbeat": {heartbeat}}}')
    reply = calling(first, ("send_mail", '{"to": "bob", "request_heartbeat": false}'))
    street = Street()
    world = a_world(worlds, database, street, reply, DONE)

    events = world.say(agent_id, "mail both")

    assert ended(events).stop_reason == reason
    assert len(world.scripted.requests) == asked
    assert [effect.split(" ", 1)[1] for effect in street.effects] == [
        '{"to": "ann"}',
        '{"to": "bob"}',
    ]


def test_server_without_custom_tools_says_so(database: Database, worlds: list[World]) -> None:
    agent_id = an_agent_with(database, "send_mail")
    world = World.over(database.app_uri, [calling(SEND), DONE])
    worlds.append(world)

    world.say(agent_id, "mail ann")

    assert history(database.admin_uri, agent_id)[2] == ("tool", "This server runs no custom tools.")


def test_tool_deleted_before_its_call_runs_is_told(database: Database, worlds: list[World]) -> None:
    agent_id = an_agent_with(database, name := f"tool_{new_id('x')[2:10]}")
    street = Street()

    def delete() -> None:
        with psycopg.connect(database.admin_uri, autocommit=True) as conn:
            conn.execute("delete from remanence.tools where name = %s", [name])

    world = a_world(worlds, database, street, calling((name, "{}"), (name, "{}")), DONE)
    street.on_run = delete

    world.say(agent_id, "go")

    told = [text for role, text in history(database.admin_uri, agent_id) if role == "tool"]
    assert told[0] == "sent 1"
    assert "does not exist" in told[1]
