"""What is told of a committed step: its costs, counted on the wire, and nothing of its content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from support.pg_proxy import CountingProxy
from support.world import World, an_agent

from remanence.core.exchange import Reply, Text, ToolCall, Usage
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.correlation import MOST_CHARS, correlation_id, set_correlation_id
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries

if TYPE_CHECKING:
    from support.pg import Database

    from remanence.engine.watch import StepSeen

SEARCH = '{"query": "whales", "top_k": 1}'


def replies() -> list[Reply]:
    usage = Usage(prompt_tokens=80, completion_tokens=5, cached_input_tokens=60)
    call = ToolCall(tool_call_id="call-1", name="archival_memory_search", arguments=SEARCH)
    return [
        Reply(parts=(call,), finish="tool_calls", usage=usage),
        Reply(parts=(Text(text="confidential"),), finish="stop", usage=usage),
    ]


def test_each_step_is_told_once_with_the_trips_that_the_wire_saw(database: Database) -> None:
    seen: list[StepSeen] = []
    proxy = CountingProxy(database.app_uri)
    world = World.over(proxy.uri, replies(), watch=seen.append)
    world.say(an_agent(database.admin_uri), "hush hush")
    world.close()

    first, second = seen
    assert [step.step_no for step in seen] == [1, 2]
    assert (first.stop_reason, second.stop_reason) == (None, "end_turn")
    assert first.round_trips + second.round_trips == proxy.traffic.round_trips
    assert [span.name for span in first.spans] == ["load", "model", "tools", "commit"]
    assert [span.name for span in second.spans] == ["model", "tools", "commit"]
    assert (first.prompt_tokens, first.cached_tokens, first.cache_share) == (80, 60, 0.75)
    assert 0 < first.db_ms < first.step_ms
    assert "hush" not in str(seen)
    assert "confidential" not in str(seen)
    proxy.close()


def test_failed_step_is_told_with_its_error(database: Database) -> None:
    seen: list[StepSeen] = []
    empty = Reply(parts=(), finish="stop", usage=Usage())
    world = World.over(database.app_uri, [empty], watch=seen.append)
    world.say(an_agent(database.admin_uri), "hi")
    world.close()

    (step,) = seen
    assert step.error_type is not None
    assert step.fields()["stop_reason"] == "invalid_llm_response"


def test_statements_carry_the_id_of_the_request_through_the_wire(database: Database) -> None:
    proxy = CountingProxy(database.app_uri)
    connections = OneConnection(proxy.uri)

    Queries(connections, correlation_id=lambda: "request-7").check_ready(DEFAULT_ORG_ID)

    assert any(text.startswith("/* request-7 */ ") for text in proxy.traffic.statements)
    connections.close()
    proxy.close()


@pytest.mark.parametrize(
    ("raw", "kept"),
    [("req-1:a", "req-1:a"), ("*/ drop; --", "drop--"), ("%s\n", "s"), ("é" * 3, "")],
)
def test_correlation_id_holds_nothing_that_could_end_a_comment(raw: str, kept: str) -> None:
    set_correlation_id(raw)

    assert correlation_id() == kept


def test_correlation_id_is_cut(database: Database) -> None:
    set_correlation_id("x" * 1000)

    assert len(correlation_id()) == MOST_CHARS
    with psycopg.connect(database.app_uri) as conn:
        assert conn.execute(f"/* {correlation_id()} */ select 1".encode()).fetchone() == (1,)
