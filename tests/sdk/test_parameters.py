"""Parameters that are easily taken and dropped: applied, or refused before anything is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from letta_client import APIStatusError
from support.server import MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from letta_client import Letta
    from support.server import Server


@pytest.fixture(scope="module")
def letta(server: Server) -> Iterator[Letta]:
    with server.client() as client:
        yield client


@pytest.mark.parametrize(
    "asked",
    [
        {"client_skills": [{"name": "brew", "description": "Makes tea.", "location": "/brew"}]},
        {"return_logprobs": True},
        {"return_token_ids": True},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_what_an_answer_would_lack_is_refused_and_nothing_is_said(
    letta: Letta, asked: dict[str, Any]
) -> None:
    agent = letta.agents.create(model=MODEL)

    with pytest.raises(APIStatusError) as refused:
        letta.agents.messages.create(agent.id, input="hello", **asked)

    assert refused.value.status_code == 501
    assert next(iter(asked)) in str(refused.value)
    assert letta.agents.messages.list(agent.id).items == []
    assert letta.runs.list(agent_id=agent.id).items == []


def test_what_asks_for_nothing_is_taken(letta: Letta) -> None:
    agent = letta.agents.create(model=MODEL)

    answer = letta.agents.messages.create(
        agent.id,
        input="hello [[script: say yes]]",
        client_skills=[],
        return_logprobs=False,
        return_token_ids=False,
        top_logprobs=None,
        enable_thinking="false",
    )

    assert answer.stop_reason.stop_reason == "end_turn"


def test_messages_of_a_group_are_none(letta: Letta) -> None:
    agent = letta.agents.create(model=MODEL)
    letta.agents.messages.create(agent.id, input="hello")
    conversation = letta.conversations.create(agent_id=agent.id)

    assert letta.agents.messages.list(agent.id, group_id="group-1").items == []
    assert letta.conversations.messages.list(conversation.id, group_id="group-1").items == []
    assert letta.agents.messages.list(agent.id, include_err=True).items != []


def test_import_takes_the_project_and_the_old_header_of_the_embedding(letta: Letta) -> None:
    file = letta.agents.export_file(letta.agents.create(model=MODEL).id, max_steps=3)

    made = letta.agents.import_file(
        file=("a.af", file.encode()),
        project_id="proj-1",
        x_override_embedding_model="openai/small",
    )

    agent = letta.agents.retrieve(made.agent_ids[0])
    assert (agent.project_id, agent.embedding) == ("proj-1", "openai/small")
    assert [each.id for each in letta.agents.list(project_id="proj-1")] == [agent.id]


def test_run_is_followed_by_its_path_whatever_the_body_names(letta: Letta) -> None:
    agent = letta.agents.create(model=MODEL)
    run_id = letta.agents.messages.create(agent.id, input="hello").messages[0].run_id
    assert run_id is not None

    events = list(letta.runs.messages.stream(run_id, otid="another", agent_id=agent.id))

    assert {event.run_id for event in events if getattr(event, "run_id", None)} == {run_id}
