"""Secrets of agents: in the environment of their tools, and nowhere else."""

from __future__ import annotations

import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from letta_client import APIStatusError, UnprocessableEntityError
from support.server import MODEL, serving

from remanence.core.ids import DEFAULT_ORG_ID
from remanence.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState, Tool
    from support.pg import Database
    from support.server import Server

ORG = DEFAULT_ORG_ID
VALUE = "sesame-7781"


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


def a_tool(client: Letta, body: str) -> Tool:
    source = f'def tool_{uuid.uuid4().hex[:12]}():\n    """Tested."""\n    import os\n    {body}\n'
    return client.tools.create(source_code=source)


def an_agent(client: Letta, *tools: Tool, **fields: Any) -> AgentState:
    ids = [tool.id for tool in tools]
    return client.agents.create(name=uuid.uuid4().hex, model=MODEL, tool_ids=ids, **fields)


def stored(database: Database, agent_id: str) -> dict[str, str]:
    with psycopg.connect(database.admin_uri) as conn:
        return dict(
            conn.execute(
                "select name, value from remanence.agent_secrets where agent_id = %s", [agent_id]
            ).fetchall()
        )


def keys(agent: AgentState) -> list[tuple[str, str]]:
    assert agent.secrets == agent.tool_exec_environment_variables
    return [(secret.key, secret.value) for secret in agent.secrets or []]


def test_tool_of_an_agent_finds_its_secrets_in_the_environment(client: Letta) -> None:
    tool = a_tool(client, "return os.environ['TOKEN'][::-1]")
    agent = an_agent(client, tool, secrets={"TOKEN": VALUE})
    said: Any = [{"role": "user", "content": f"[[script: call {tool.name} {{}} ]] [[then: say x]]"}]

    response = client.agents.messages.create(agent.id, messages=said)
    by_hand = client.agents.tools.run(tool.name, agent_id=agent.id, args={})

    (answer,) = [m for m in response.messages if m.message_type == "tool_return_message"]
    assert answer.tool_return == by_hand.func_return == VALUE[::-1]


def test_secret_that_a_tool_gives_back_is_stored_by_its_name(server: Server, client: Letta) -> None:
    tool = a_tool(
        client, "print(os.environ['TOKEN']); raise ValueError('at ' + os.environ['TOKEN'])"
    )
    agent = an_agent(client, tool, secrets={"TOKEN": VALUE})
    said: Any = [{"role": "user", "content": f"[[script: call {tool.name} {{}} ]] [[then: say x]]"}]

    response = client.agents.messages.create(agent.id, messages=said)

    (answer,) = [m for m in response.messages if m.message_type == "tool_return_message"]
    assert "ValueError: at [secret TOKEN]" in answer.tool_return
    assert answer.stdout == ["[secret TOKEN]"]
    with psycopg.connect(server.database.admin_uri) as conn:
        rows = conn.execute(
            "select count(*) from remanence.messages where agent_id = %s"
            " and strpos(parts::text, %s) > 0",
            [agent.id, VALUE],
        ).fetchone()
    assert rows == (0,)


def test_secrets_are_sealed_at_rest_and_shown_by_name_only(server: Server, client: Letta) -> None:
    made = an_agent(
        client, tool_exec_environment_variables={"OLD": "o", "BOTH": "o"}, secrets={"BOTH": VALUE}
    )
    agent_id = made.id

    seals = stored(server.database, agent_id)
    raw = httpx.get(f"{server.base_url}/v1/agents/{agent_id}", timeout=60).text
    file = client.agents.export_file(agent_id)

    assert keys(made) == [("BOTH", ""), ("OLD", "")]
    assert keys(client.agents.retrieve(agent_id)) == []
    assert keys(client.agents.retrieve(agent_id, include=["agent.secrets"])) == keys(made)
    assert sorted(seals) == ["BOTH", "OLD"]
    assert server.deps.sealer.open(seals["BOTH"], ORG, agent_id, "BOTH") == VALUE
    for text in (raw, file, json.dumps(seals)):
        assert VALUE not in text


def test_update_replaces_secrets_and_leaves_them_when_none_are_given(
    server: Server, client: Letta
) -> None:
    agent = an_agent(client, secrets={"A": "1", "B": "2"})

    renamed = client.agents.update(agent.id, name="x")
    kept = stored(server.database, agent.id)
    changed = client.agents.update(agent.id, secrets={"B": "3", "C": "4"})
    emptied = client.agents.update(agent.id, secrets={})

    assert [name for name, _ in keys(renamed)] == sorted(kept) == ["A", "B"]
    assert [name for name, _ in keys(changed)] == ["B", "C"]
    assert keys(emptied) == []
    assert stored(server.database, agent.id) == {}


def test_secrets_go_with_their_agent(server: Server, client: Letta) -> None:
    agent = an_agent(client, secrets={"A": "1"})

    client.agents.delete(agent.id)

    assert stored(server.database, agent.id) == {}


@pytest.mark.parametrize(
    "secrets",
    [{"1A": VALUE}, {"A B": VALUE}, {"": VALUE}, {"LETTA_AGENT_ID": VALUE}, {"A": VALUE + "\0"}],
)
def test_secret_that_no_environment_can_hold_is_refused_without_being_shown(
    client: Letta, caplog: pytest.LogCaptureFixture, secrets: dict[str, str]
) -> None:
    name = uuid.uuid4().hex
    with caplog.at_level(logging.DEBUG), pytest.raises(UnprocessableEntityError) as caught:
        client.agents.create(name=name, model=MODEL, secrets=secrets)

    assert VALUE not in str(caught.value)
    assert VALUE not in "".join(r.getMessage() for r in caplog.records if r.name.startswith("rem"))
    assert client.agents.list(name=name).items == []


def test_import_gives_secrets_to_the_agents_of_a_file(server: Server, client: Letta) -> None:
    file = client.agents.export_file(an_agent(client, secrets={"A": "1"}).id)

    def imported(**form: Any) -> str:
        answer = client.agents.import_file(file=("x.af", file.encode()), **form)
        return answer.agent_ids[0]

    assert stored(server.database, imported()) == {}
    assert list(stored(server.database, imported(secrets=json.dumps({"KEY": VALUE})))) == ["KEY"]
    with pytest.raises(UnprocessableEntityError, match="secrets") as caught:
        imported(secrets=json.dumps({"not a name": VALUE}))
    assert VALUE not in str(caught.value)


def test_without_a_key_secrets_are_refused_and_nothing_is_stored(database: Database) -> None:
    name = uuid.uuid4().hex
    with serving(database, sealer=Sealer([])) as server, server.client() as client:
        with pytest.raises(APIStatusError, match="REMANENCE_SECRETS_KEY") as caught:
            client.agents.create(name=name, model=MODEL, secrets={"A": VALUE})
        agent = client.agents.create(name=name, model=MODEL, secrets={})
        with pytest.raises(APIStatusError, match="REMANENCE_SECRETS_KEY"):
            client.agents.update(agent.id, name="changed", secrets={"A": VALUE})

        assert caught.value.status_code == 501
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert [found.id for found in client.agents.list(name=name)] == [agent.id]
        assert stored(database, agent.id) == {}


def test_tool_says_which_setting_is_missing_when_a_secret_does_not_open(
    server: Server, client: Letta
) -> None:
    tool = a_tool(client, "return 'ran'")
    agent = an_agent(client, tool, secrets={"TOKEN": VALUE})
    alien = Sealer([bytes(32)]).seal(VALUE, ORG, agent.id, "TOKEN")
    with psycopg.connect(server.database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.agent_secrets set value = %s where agent_id = %s", [alien, agent.id]
        )

    ran = client.agents.tools.run(tool.name, agent_id=agent.id, args={})

    assert ran.status == "error"
    assert "'TOKEN' was sealed with the key" in str(ran.func_return)
    assert "REMANENCE_SECRETS_KEY" in str(ran.func_return)
