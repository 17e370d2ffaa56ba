"""What a run costs on the wire, counted by a proxy between the driver and the real Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.pg_proxy import CountingProxy
from support.world import World, an_agent, ended

from remanence.core.exchange import Reply, Text, ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database


def saying(text: str) -> Reply:
    return Reply(parts=(Text(text=text),), finish="stop", usage=Usage(prompt_tokens=50))


def noting(number: int) -> Reply:
    arguments = f'{{"label":"human","new_string":"fact {number}"}}'
    call = ToolCall(tool_call_id=f"call-{number}", name="memory_insert", arguments=arguments)
    return Reply(parts=(call,), finish="tool_calls", usage=Usage(prompt_tokens=50))


@pytest.fixture
def proxy(database: Database) -> Generator[CountingProxy]:
    counting = CountingProxy(database.app_uri)
    yield counting
    counting.close()


def test_plain_message_costs_two_round_trips_on_one_connection(
    database: Database, proxy: CountingProxy
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": "Ada"})
    world = World.over(proxy.uri, [saying("hello"), saying("hello again")])

    world.say(agent_id, "hi")
    assert proxy.traffic.connections == 1
    assert [statement.split("(")[0] for statement in _selects(proxy)] == [
        "select remanence.run_start_v1",
        "select remanence.step_commit_v2",
    ]
    assert proxy.traffic.round_trips == 2

    proxy.traffic.reset()
    world.say(agent_id, "hi again")
    assert proxy.traffic.connections == 0
    assert proxy.traffic.round_trips == 2
    world.close()


@pytest.mark.parametrize("steps", [2, 5])
def test_run_of_n_plain_steps_costs_one_and_n_round_trips(
    database: Database, proxy: CountingProxy, steps: int
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": "Ada"})
    script = [*(noting(number) for number in range(steps - 1)), saying("done")]
    world = World.over(proxy.uri, script)

    events = world.say(agent_id, "hi")

    assert ended(events).step_count == steps
    assert proxy.traffic.round_trips == 1 + steps
    assert len(_selects(proxy)) == 1 + steps
    world.close()


def test_search_of_the_agent_costs_one_round_trip_more(
    database: Database, proxy: CountingProxy
) -> None:
    agent_id = an_agent(database.admin_uri)
    search = ToolCall(
        tool_call_id="call-1", name="conversation_search", arguments='{"query":"tea"}'
    )
    script = [Reply(parts=(search,), finish="tool_calls"), saying("done")]
    world = World.over(proxy.uri, script)

    world.say(agent_id, "did I ever mention tea?")

    assert proxy.traffic.round_trips == 1 + 2 + 1
    world.close()


def test_connection_dropped_while_idle_is_reopened_without_losing_the_message(
    database: Database, proxy: CountingProxy
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = World.over(proxy.uri, [saying("one"), saying("two")])
    world.say(agent_id, "first")

    proxy.cut()
    events = world.say(agent_id, "second")

    assert ended(events).stop_reason == "end_turn"
    assert proxy.traffic.connections == 2
    world.close()


def _selects(proxy: CountingProxy) -> list[str]:
    """The statements without their header comments."""
    return [
        "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
        for statement in proxy.traffic.statements
    ]
