"""What was used and the caps on it, through the official SDK's plain requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import letta_client
import pytest
from support.server import MODEL

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.server import Server


@pytest.fixture
def client(server: Server) -> Generator[letta_client.Letta]:
    with server.client() as client:
        yield client


def test_usage_is_summed_by_what_is_asked_for(client: letta_client.Letta) -> None:
    agent = client.agents.create(model=MODEL)
    other = client.agents.create(model=MODEL)
    for agent_id, words in ((agent.id, "one"), (agent.id, "two"), (other.id, "three")):
        client.agents.messages.create(agent_id, input=words)

    by_day = _usage(client, agent_id=agent.id)
    by_both = _usage(client, group_by=["agent", "model"])
    nothing = _usage(client, agent_id=agent.id, end_date="2020-01-01")

    assert [item["calls"] for item in by_day["items"]] == [2]
    assert by_day["items"][0]["agent_id"] is None
    assert by_day["total"]["total_tokens"] > 0
    assert by_day["total"]["usd"] == 0
    mine = [item for item in by_both["items"] if item["agent_id"] == agent.id]
    assert [(item["model"], item["day"]) for item in mine] == [("scripted/model", None)]
    assert nothing == {"items": [], "total": _nothing(by_day["total"])}


def test_deleted_agent_stays_in_the_ledger(client: letta_client.Letta) -> None:
    agent = client.agents.create(model=MODEL)
    client.agents.messages.create(agent.id, input="hello")

    client.agents.delete(agent.id)

    assert _usage(client, agent_id=agent.id)["total"]["calls"] == 1


def test_capped_agent_answers_402_and_says_what_to_do(client: letta_client.Letta) -> None:
    agent = client.agents.create(model=MODEL)
    path = f"/v1/usage/caps/{agent.id}"

    given: Any = client.put(path, body={"total": {"tokens": 10}}, cast_to=object)
    with pytest.raises(letta_client.APIStatusError) as refused:
        client.agents.messages.create(agent.id, input="hello")
    with (
        client.agents.messages.create(agent.id, input="hello", streaming=True) as stream,
        pytest.raises(letta_client.APIStatusError, match="insufficient_credits"),
    ):
        list(stream)
    client.put(path, body={}, cast_to=object)
    answer = client.agents.messages.create(agent.id, input="hello")

    assert given["total"] == {"tokens": 10, "usd": None}
    assert refused.value.status_code == 402
    assert "10 tokens in all has no room" in str(refused.value)
    assert path in str(refused.value)
    assert answer.stop_reason.stop_reason == "end_turn"
    assert client.get(path, cast_to=object) == {"run": None, "day": None, "total": None}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"week": {"usd": 1}}, "week"),
        ({"day": {"euros": 1}}, "day.euros"),
        ({"day": {"usd": -1}}, "day.usd"),
        ({"run": {"tokens": 0.5}}, "run.tokens"),
    ],
)
def test_caps_that_are_none_are_refused_by_name(
    client: letta_client.Letta, body: dict[str, Any], named: str
) -> None:

    with pytest.raises(letta_client.UnprocessableEntityError) as refused:
        client.put("/v1/usage/caps", body=body, cast_to=object)

    assert named in str(refused.value)


def test_cap_in_dollars_is_refused_at_once_where_the_price_is_not_known(
    client: letta_client.Letta,
) -> None:
    agent = client.agents.create(model="openai/nobody-knows")

    with pytest.raises(letta_client.UnprocessableEntityError) as refused:
        client.put(f"/v1/usage/caps/{agent.id}", body={"day": {"usd": 1}}, cast_to=object)

    assert "no price of openai/nobody-knows is known" in str(refused.value)


def test_caps_of_an_agent_that_does_not_exist_are_not_found(client: letta_client.Letta) -> None:
    path = "/v1/usage/caps/agent-00000000-0000-4000-8000-00000000dead"

    with pytest.raises(letta_client.NotFoundError):
        client.get(path, cast_to=object)
    with pytest.raises(letta_client.NotFoundError):
        client.put(path, body={"run": {"tokens": 1}}, cast_to=object)


def _usage(client: letta_client.Letta, **query: Any) -> Any:
    return client.get("/v1/usage/", cast_to=object, options={"params": query})


def _nothing(total: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(total, 0)
