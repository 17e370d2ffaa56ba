"""Conversations beside an agent's own, through the official SDK."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from letta_client import ConflictError, NotFoundError, UnprocessableEntityError
from support.server import MODEL, new_id

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.server import Server


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    block = {"label": "human", "value": "Name: Bob"}
    return client.agents.create(name=uuid.uuid4().hex, model=MODEL, memory_blocks=[block])


def say(client: Letta, conversation_id: str, text: str, **options: Any) -> list[Any]:
    return list(client.conversations.messages.create(conversation_id, input=text, **options))


def contents(client: Letta, conversation_id: str, **options: Any) -> list[str]:
    """What user and agent said to each other."""
    page = client.conversations.messages.list(
        conversation_id,
        include_return_message_types=["user_message", "assistant_message"],
        **options,
    )
    return [message.content for message in page.items]


def test_create_begins_an_empty_history(client: Letta, agent: AgentState) -> None:
    made = client.conversations.create(agent_id=agent.id, summary="Trip", description="To Rome")

    assert made.id.startswith("conv-")
    assert (made.agent_id, made.summary, made.description) == (agent.id, "Trip", "To Rome")
    assert made.in_context_message_ids == []
    assert made.archived is False
    assert client.conversations.retrieve(made.id) == made
    with pytest.raises(NotFoundError):
        client.conversations.create(agent_id=new_id("agent"))


def test_messages_stream_unless_a_whole_answer_is_asked_for(
    client: Letta, agent: AgentState
) -> None:
    made = client.conversations.create(agent_id=agent.id)

    events = say(client, made.id, "hello [[script: say Hi]]")
    raw = client.conversations.messages.with_raw_response.create(
        made.id, input="again [[script: say Ho]]", streaming=False
    ).json()

    assert [event.message_type for event in events] == [
        "ping",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]
    assert raw["messages"][0]["content"] == "Ho"
    run = client.runs.retrieve(events[1].run_id)
    assert (run.conversation_id, run.agent_id) == (made.id, agent.id)


def test_histories_are_apart_and_memory_is_shared(client: Letta, agent: AgentState) -> None:
    one = client.conversations.create(agent_id=agent.id).id
    two = client.conversations.create(agent_id=agent.id).id
    edit = 'call memory_insert {"label": "human", "new_string": "Likes tea"}'

    say(client, one, f"remember [[script: {edit}]] [[then: say noted]]")
    say(client, two, "hello [[script: say there]]")
    client.agents.messages.create(agent.id, input="mine [[script: say own]]")

    assert contents(client, two) == ["hello [[script: say there]]", "there"]
    assert "there" not in str(client.conversations.messages.list(one).items)
    assert contents(client, "default", agent_id=agent.id)[-1] == "own"
    assert contents(client, agent.id)[-1] == "own"
    for conversation in (one, two):
        assert "Likes tea" in client.conversations.recompile(conversation)
    assert "Likes tea" in client.conversations.recompile("default", agent_id=agent.id)


def test_default_is_the_agents_own_conversation(client: Letta, agent: AgentState) -> None:
    say(client, "default", "hello [[script: say Hi]]", agent_id=agent.id)

    page = client.agents.messages.list(agent.id)
    assert contents(client, agent.id) == ["hello [[script: say Hi]]", "Hi"]
    assert [message.message_type for message in page.items] == ["user_message", "assistant_message"]
    with pytest.raises(UnprocessableEntityError, match="agent_id"):
        say(client, "default", "hello")
    with pytest.raises(UnprocessableEntityError):
        say(client, "conv-1", "hello")
    with pytest.raises(NotFoundError):
        say(client, new_id("conv"), "hello")


def test_conversation_of_another_agent_is_not_found(client: Letta, agent: AgentState) -> None:
    made = client.conversations.create(agent_id=agent.id)
    other = client.agents.create(name="other", model=MODEL)

    with pytest.raises(NotFoundError):
        client.conversations.messages.list(made.id, agent_id=other.id)
    with pytest.raises(NotFoundError):
        say(client, made.id, "hello", agent_id=other.id)


def test_list_shows_what_was_made_by_page_title_and_archive(
    client: Letta, agent: AgentState
) -> None:
    made = [client.conversations.create(agent_id=agent.id, summary=f"T{n}") for n in range(3)]
    client.conversations.create(agent_id=agent.id, hidden=True)
    client.conversations.update(made[0].id, archived=True)
    say(client, made[1].id, "hi")

    def ids(**query: Any) -> list[str]:
        return [c.id for c in client.conversations.list(agent_id=agent.id, **query)]

    first, second, third = (conversation.id for conversation in made)
    assert ids() == [third, second]
    assert ids(archive_status="archived") == [first]
    assert ids(archive_status="all", order="asc") == [first, second, third]
    assert ids(archive_status="all", order="asc", after=first, limit=1) == [second]
    assert ids(order_by="last_message_at") == [second, third]
    assert ids(order_by="last_run_completion", order="asc") == [second, third]
    assert ids(summary_search="t2") == [third]
    with pytest.raises(UnprocessableEntityError):
        client.conversations.list(after=new_id("conv"))


def test_update_sets_and_clears(client: Letta, agent: AgentState) -> None:
    made = client.conversations.create(agent_id=agent.id, summary="Old", description="Words")

    changed = client.conversations.update(made.id, summary="New", description=None, archived=True)
    back = client.conversations.update(made.id, archived=False)

    assert (changed.summary, changed.description, changed.archived) == ("New", None, True)
    assert changed.archived_at is not None
    assert (back.summary, back.archived, back.archived_at) == ("New", False, None)
    with pytest.raises(NotFoundError):
        client.conversations.update(new_id("conv"), summary="x")


def test_overrides_hold_in_their_conversation_only(server: Server, agent: AgentState) -> None:
    with server.client() as client:
        made = client.conversations.create(
            agent_id=agent.id,
            model="scripted/other",
            context_window_limit=9_000,
            model_settings={"provider_type": "openai", "temperature": 0.25},
        )
        say(client, made.id, "hello [[script: say Hi]]")
        client.agents.messages.create(agent.id, input="hello [[script: say Hi]]")

        (step,) = client.steps.list(agent_id=agent.id, model="scripted/other").items
        cleared = client.conversations.update(
            made.id, model=None, model_settings=None, context_window_limit=None
        )

        first, second = server.scripted.requests[-2:]
        assert (first.handle, first.settings.temperature) == ("scripted/other", 0.25)
        assert (second.handle, second.settings.temperature) == (MODEL, None)
        assert step.context_window_limit == 9_000
        assert made.api_model_settings.temperature == 0.25
        assert (cleared.model, cleared.api_model_settings, cleared.context_window_limit) == (
            None,
            None,
            None,
        )
        with pytest.raises(NotFoundError):
            client.conversations.update(made.id, model="nobody/none")
        with pytest.raises(UnprocessableEntityError, match="tokens"):
            client.conversations.update(made.id, context_window_limit=10**9)


def test_delete_takes_the_history_and_leaves_the_agent(
    server: Server, client: Letta, agent: AgentState
) -> None:
    made = client.conversations.create(agent_id=agent.id)
    say(client, made.id, "hello [[script: say Hi]]")

    client.conversations.delete(made.id)

    with pytest.raises(NotFoundError):
        client.conversations.retrieve(made.id)
    assert client.agents.retrieve(agent.id).id == agent.id
    with psycopg.connect(server.database.admin_uri) as conn:
        left = conn.execute(
            "select count(*) from remanence.messages where conversation_id = %s", [made.id]
        ).fetchone()
    assert left == (0,)
    with pytest.raises(UnprocessableEntityError, match="default"):
        client.conversations.delete(agent.id)


def test_delete_of_a_busy_conversation_is_refused(
    server: Server, client: Letta, agent: AgentState
) -> None:
    made = client.conversations.create(agent_id=agent.id)
    with psycopg.connect(server.database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.conversations set lease_token = 'x', "
            "lease_until = now() + interval '1 minute' where id = %s",
            [made.id],
        )

    with pytest.raises(ConflictError):
        client.conversations.delete(made.id)


def test_fork_copies_up_to_a_message_and_goes_its_own_way(client: Letta, agent: AgentState) -> None:
    made = client.conversations.create(agent_id=agent.id, summary="Trip")
    for n in range(3):
        say(client, made.id, f"q{n} [[script: say a{n}]]")
    history = client.conversations.messages.list(made.id, order="asc").items

    fork = client.conversations.fork(made.id, message_id=history[3].id)
    say(client, fork.id, "other [[script: say way]]")

    assert fork.id != made.id
    assert (fork.agent_id, fork.summary) == (agent.id, "Trip")
    assert len(fork.in_context_message_ids) == 4
    assert [text[:2] for text in contents(client, fork.id)] == ["q0", "a0", "q1", "a1", "ot", "wa"]
    assert len(contents(client, made.id)) == 6
    copies = client.conversations.messages.list(fork.id, order="asc").items
    assert {copy.id for copy in copies} & {message.id for message in history} == set()
    assert [copy.date for copy in copies[:4]] == [message.date for message in history[:4]]
    with pytest.raises(NotFoundError, match="message"):
        client.conversations.fork(made.id, message_id=copies[0].id)


def test_fork_of_the_default_conversation_may_be_hidden(client: Letta, agent: AgentState) -> None:
    client.agents.messages.create(agent.id, input="hello [[script: say Hi]]")

    fork = client.conversations.fork("default", agent_id=agent.id, hidden=True)

    assert contents(client, fork.id)[-1] == "Hi"
    assert client.conversations.list(agent_id=agent.id) == []


def test_compact_moves_the_older_part_behind_a_summary(client: Letta, agent: AgentState) -> None:
    made = client.conversations.create(agent_id=agent.id)
    for n in range(6):
        say(client, made.id, f"question {n} about trains [[script: say answer {n} of trains]]")

    done = client.conversations.messages.compact(
        made.id, compaction_settings={"mode": "sliding_window", "sliding_window_percentage": 0.5}
    )
    fork = client.conversations.fork(made.id)
    rest = client.conversations.messages.compact(made.id, compaction_settings={"mode": "all"})
    none = client.conversations.messages.compact(made.id, compaction_settings={"mode": "all"})

    assert done.num_messages_before == 12
    assert done.num_messages_after < 12
    assert done.summary
    assert rest.num_messages_after < done.num_messages_after
    assert (none.num_messages_before, none.num_messages_after) == (
        rest.num_messages_after,
        rest.num_messages_after,
    )
    assert len(contents(client, made.id)) == 12, "nothing is deleted"
    assert len(fork.in_context_message_ids) == done.num_messages_after - 1, "the window is carried"


def test_fork_before_a_summary_shows_again_what_it_covered(
    client: Letta, agent: AgentState
) -> None:
    made = client.conversations.create(agent_id=agent.id)
    for n in range(6):
        say(client, made.id, f"question {n} about trains [[script: say answer {n} of trains]]")
    client.conversations.messages.compact(made.id, compaction_settings={"mode": "all"})
    history = client.conversations.messages.list(made.id, order="asc").items

    fork = client.conversations.fork(made.id, message_id=history[3].id)

    assert len(fork.in_context_message_ids) == 4


def test_compact_of_the_agents_own_conversation(client: Letta, agent: AgentState) -> None:
    for n in range(4):
        client.agents.messages.create(agent.id, input=f"q {n} [[script: say some answer {n}]]")

    done = client.agents.messages.compact(agent.id, compaction_settings={"mode": "all"})

    assert (done.num_messages_before, done.num_messages_after) == (8, 2)
    with pytest.raises(NotFoundError):
        client.agents.messages.compact(new_id("agent"))
    with pytest.raises(UnprocessableEntityError):
        client.agents.messages.compact(
            agent.id, compaction_settings={"sliding_window_percentage": 2}
        )


def test_cancel_stops_what_runs_in_the_conversation_only(
    server: Server, client: Letta, agent: AgentState
) -> None:
    one = client.conversations.create(agent_id=agent.id).id
    two = client.conversations.create(agent_id=agent.id).id
    with psycopg.connect(server.database.admin_uri, autocommit=True) as conn:
        runs = {name: new_id("run") for name in (one, two)}
        for conversation, run_id in runs.items():
            conn.execute(
                "insert into remanence.runs (id, org_id, agent_id, conversation_id, ord, status, "
                "options, input) select %s, org_id, agent_id, id, 1, 'created', '{}', '[]' "
                "from remanence.conversations where id = %s",
                [run_id, conversation],
            )

    stopped = client.conversations.cancel(one)

    assert stopped == {runs[one]: "cancelled"}
    assert client.runs.retrieve(runs[one]).status == "cancelled"
    assert client.runs.retrieve(runs[two]).status == "created"
    with pytest.raises(ConflictError, match="no active runs"):
        client.conversations.cancel(one)
    client.conversations.cancel(two)
