"""What the retired Letta server got wrong, tried here as its users meet it.

The faults are numbered in infra/LETTA_FAULTS.md, which names a test for each; these are the ones
that no other file shows.
"""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from letta_client import UnprocessableEntityError
from psycopg import sql
from support.server import MODEL

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.server import Server

    from remanence.core.exchange import Request


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


def an_agent(client: Letta, **fields: Any) -> AgentState:
    block = {"label": "human", "value": "Name: Bob"}
    return client.agents.create(
        **({"name": uuid.uuid4().hex, "model": MODEL, "memory_blocks": [block]} | fields)
    )


def ask(client: Letta, agent: AgentState, text: str) -> Any:
    return client.agents.messages.create(agent.id, input=f"{text} [[script: say ok]]")


def asked(server: Server, word: str) -> Request:
    """The newest request to the model in which a word stands."""
    return next(request for request in reversed(server.scripted.requests) if word in str(request))


def returned(messages: Any) -> str:
    [answer] = [m for m in messages if m.message_type == "tool_return_message"]
    return str(answer.tool_return)


def test_messages_at_once_are_all_in_the_next_context(server: Server, client: Letta) -> None:
    agent = an_agent(client)
    words = [uuid.uuid4().hex for _ in range(4)]

    def send(word: str) -> None:
        with server.client(timeout=60) as own:
            ask(own, agent, word)

    threads = [threading.Thread(target=send, args=[word]) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ask(client, agent, last := uuid.uuid4().hex)

    assert all(word in str(asked(server, last)) for word in words)
    assert len(client.agents.retrieve(agent.id).message_ids or []) == 2 * 5


def test_search_of_the_agent_takes_words_in_any_order_and_honours_dates(client: Letta) -> None:
    agent = an_agent(client)
    ask(client, agent, "hello, it is me again")

    named = client.conversations.create(agent_id=agent.id).id  # there it is out of view

    def finds(query: str, **dates: str) -> str:
        search = f"call conversation_search {json.dumps({'query': query} | dates)}]] [[then: say ok"
        events = client.conversations.messages.create(named, input=f"find [[script: {search}]]")
        return returned(events)

    today, week = datetime.now(UTC), timedelta(days=7)
    assert "it is me again" in finds("again")
    assert "it is me again" in finds("again hello")
    assert "it is me again" in finds("again hello", start_date=(today - week).date().isoformat())
    assert "it is me again" not in finds("again", start_date=(today + week).date().isoformat())
    assert "it is me again" not in finds("again", end_date=(today - week).date().isoformat())


def test_what_is_set_is_what_the_model_sees_at_its_next_step(server: Server, client: Letta) -> None:
    shared = client.blocks.create(label="team", value="Ada works here.")
    one, two = an_agent(client), an_agent(client)
    ask(client, one, "hello")
    ask(client, two, "hello")

    def sees(agent: AgentState, fact: str) -> bool:
        ask(client, agent, word := uuid.uuid4().hex)
        return fact in str(asked(server, word))

    client.agents.blocks.attach(shared.id, agent_id=one.id)
    client.agents.blocks.attach(shared.id, agent_id=two.id)
    assert sees(one, "Ada works here.")
    assert sees(two, "Ada works here.")
    client.agents.blocks.update("team", agent_id=one.id, value="Grace works here.")
    assert sees(one, "Grace works here.")
    assert sees(two, "Grace works here.")
    client.blocks.update(shared.id, value="Edsger works here.")
    assert sees(two, "Edsger works here.")
    client.agents.update(one.id, system="You speak only Latin.")
    assert sees(one, "You speak only Latin.")


@pytest.mark.parametrize("named", [False, True], ids=["default", "named"])
def test_edit_by_a_tool_is_in_view_at_the_next_step_and_the_next_run(
    server: Server, client: Letta, *, named: bool
) -> None:
    agent = an_agent(client)
    place = client.conversations.create(agent_id=agent.id).id if named else "default"
    fact, first, later = (uuid.uuid4().hex for _ in range(3))
    insert = f'call memory_insert {{"label": "human", "new_string": "Knows {fact}"}}'

    def say(text: str) -> None:
        options = {} if named else {"agent_id": agent.id}
        list(client.conversations.messages.create(place, input=text, **options))

    say(f"{first} [[script: {insert}]] [[then: say noted]]")
    second_step = asked(server, first)
    say(f"{later} [[script: say ok]]")

    assert len([each for each in server.scripted.requests if first in str(each)]) == 3
    assert f"Knows {fact}" in str(second_step.turns[-1]), "the return of the call shows it"
    assert f"Knows {fact}" in str(asked(server, later))
    assert fact in client.agents.blocks.retrieve("human", agent_id=agent.id).value


def test_counts_in_the_prompt_are_of_what_is_stored(server: Server, client: Letta) -> None:
    agent = an_agent(client)
    for text in ("Ada likes tea.", "Bob likes rain."):
        client.agents.passages.create(agent.id, text=text, tags=["taste"])

    ask(client, agent, word := uuid.uuid4().hex)

    system = asked(server, word).system
    assert "2 passages" in system
    assert "taste" in system


def test_block_over_its_limit_is_refused_by_every_way_in(client: Letta) -> None:
    agent = an_agent(client, memory_blocks=[{"label": "small", "value": "x", "limit": 20}])
    long = "y" * 100

    with pytest.raises(UnprocessableEntityError):
        client.blocks.create(label="small", value=long, limit=20)
    with pytest.raises(UnprocessableEntityError):
        client.agents.blocks.update("small", agent_id=agent.id, value=long)
    call = f'call memory_insert {{"label": "small", "new_string": "{long}"}}'
    done = client.agents.messages.create(agent.id, input=f"go [[script: {call}]] [[then: say ok]]")

    assert "20" in returned(done.messages)
    assert client.agents.blocks.retrieve("small", agent_id=agent.id).value == "x"


def test_words_of_a_message_are_stored_as_input_and_message_and_in_no_log(
    server: Server, client: Letta
) -> None:
    agent = an_agent(client)
    word = uuid.uuid4().hex

    ask(client, agent, word)
    ask(client, agent, "and another message")

    with psycopg.connect(server.database.admin_uri) as connection:
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = 'remanence'"
        ).fetchall()
        holding = {
            name: len(rows) for (name,) in tables if (rows := _rows_with(connection, name, word))
        }
    assert holding == {"runs": 1, "messages": 1}


def _rows_with(connection: Any, table: str, word: str) -> list[Any]:
    query = sql.SQL("select 1 from remanence.{} as stored where stored::text like %s")
    return list(connection.execute(query.format(sql.Identifier(table)), [f"%{word}%"]))
