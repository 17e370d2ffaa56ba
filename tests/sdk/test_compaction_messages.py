"""A compaction within a run, as the SDK shows it to who asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.server import MODEL

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.server import Server

COMPACTION = ["event_message", "summary_message"]


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def full(client: Letta) -> AgentState:
    """An agent whose next message does not fit into its window."""
    agent = client.agents.create(model=MODEL, context_window_limit=5_000, include_base_tools=False)
    for number in range(3):
        said = f"Number {number}. {'The boat Ursula sails on. ' * 130} [[script: say yes]]"
        client.agents.messages.create(agent.id, input=said)
    return agent


def a_long_one(**options: Any) -> dict[str, Any]:
    said = f"{'We talk of the boat again. ' * 450} [[script: say so]]"
    return {"input": said, **options}


def kinds(messages: Any) -> list[str]:
    return [message.message_type for message in messages]


def told(messages: Any) -> list[dict[str, Any]]:
    """What is said of a compaction; its moment is the worker's, and later the database's."""
    return [m.model_dump(exclude={"date"}) for m in messages if m.message_type in COMPACTION]


def test_answer_tells_of_a_compaction_when_asked_to(client: Letta, full: AgentState) -> None:
    response = client.agents.messages.create(
        full.id, **a_long_one(include_compaction_messages=True)
    )

    assert kinds(response.messages) == [*COMPACTION, "assistant_message"]
    event, summary, spoken = response.messages
    stats = summary.compaction_stats
    assert event.event_type == "compaction"
    assert event.event_data["trigger"] == stats.trigger == "context_window_exceeded"
    assert stats.context_window == 5_000
    assert stats.messages_count_before > stats.messages_count_after >= 1
    assert "Ursula" in summary.summary
    assert event.id == summary.id
    assert event.otid != summary.otid
    assert event.step_id == summary.step_id == spoken.step_id
    assert event.run_id == spoken.run_id


def test_answer_is_silent_about_it_by_default(client: Letta, full: AgentState) -> None:
    response = client.agents.messages.create(full.id, **a_long_one())

    assert kinds(response.messages) == ["assistant_message"]
    assert kinds(client.agents.messages.list(full.id))[-1] == "assistant_message"


def test_types_that_were_asked_for_decide_about_it_too(client: Letta, full: AgentState) -> None:
    response = client.agents.messages.create(
        full.id,
        **a_long_one(
            include_compaction_messages=True, include_return_message_types=["summary_message"]
        ),
    )

    assert kinds(response.messages) == ["summary_message"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("background", [False, True])
def test_stream_tells_of_it_and_so_does_the_same_run_read_again(
    client: Letta, full: AgentState, background: bool
) -> None:
    options = a_long_one(include_compaction_messages=True, background=background, streaming=True)
    events = list(client.agents.messages.create(full.id, **options))
    shown = [e for e in events if e.message_type in {*COMPACTION, "assistant_message"}]
    assert kinds(shown) == [*COMPACTION, "assistant_message"]

    again = list(client.runs.messages.stream(shown[-1].run_id))
    rest = list(client.runs.messages.stream(shown[-1].run_id, starting_after=shown[-1].seq_id))

    assert told(again) == told(shown)
    assert len(told(again)) == 2
    assert told(rest) == []
