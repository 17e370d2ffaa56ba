"""Taking back all that a step or a run changed in memory: all of it at once, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.process import run_cli
from support.server import MODEL, new_id
from support.world import value

from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.versions import Author
from remanence.db.step_undo import StepChanges
from remanence.engine.step_undo import StepUndo
from remanence.errors import InvalidRequest
from remanence.local.step_undo import undo_memory
from remanence.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.server import Server

    from remanence.core.ids import OrgId
    from remanence.core.undoing import MemoryChanges

TOOLS = ["memory", "memory_insert", "memory_replace", "archival_memory_insert"]
EVERYTHING = (
    '[[script: call memory_insert {"label": "human", "new_string": "Has a dog."}]]'
    ' [[and: call memory {"command": "create", "path": "/memories/plans",'
    ' "description": "what comes", "file_text": "Lisbon"}]]'
    ' [[and: call memory {"command": "delete", "path": "/memories/old"}]]'
    ' [[and: call archival_memory_insert {"content": "The dog is called Biscuit."}]]'
)


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def http(server: Server) -> Generator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=30) as http:
        yield http


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return client.agents.create(
        model=MODEL,
        memory_blocks=[
            {"label": "human", "value": "Ada likes tea."},
            {"label": "old", "value": "Nothing of note."},
        ],
        tools=TOOLS,
        include_base_tools=False,
    )


def told(client: Letta, agent: AgentState, script: str) -> tuple[str, str]:
    """Have the agent do what the script says; gives the ids of its first step and of the run."""
    answer = client.agents.messages.create(agent.id, messages=[{"role": "user", "content": script}])
    step_id = next(message.step_id for message in answer.messages if message.step_id)
    return step_id, client.steps.retrieve(step_id).run_id or ""


def memory(client: Letta, agent: AgentState) -> tuple[dict[str, str], list[str]]:
    """The agent's blocks by label, and its passages."""
    blocks = client.agents.blocks.list(agent.id).items
    passages = client.agents.passages.list(agent.id)
    return {b.label or "": b.value for b in blocks}, [passage.text for passage in passages]


def undo(http: httpx.Client, subject_id: str) -> httpx.Response:
    kind = "steps" if subject_id.startswith("step-") else "runs"
    return http.post(f"/v1/{kind}/{subject_id}/undo")


def undone(http: httpx.Client, subject_id: str) -> dict[str, Any]:
    answer = undo(http, subject_id)
    assert answer.status_code == 200, answer.text
    return answer.json()


def versions(http: httpx.Client, kind: str, thing_id: str) -> list[dict[str, Any]]:
    return http.get(f"/v1/{kind}/{thing_id}/history").json()


def test_step_is_undone_whole_and_once(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    before = memory(client, agent)
    step_id, _ = told(client, agent, EVERYTHING)
    after, passages = memory(client, agent)
    assert (after, passages) == (
        {"human": "Ada likes tea.\nHas a dog.", "plans": "Lisbon"},
        ["The dog is called Biscuit."],
    )

    done = undone(http, step_id)

    assert memory(client, agent) == before
    assert [block["done"] for block in done["blocks"]] == ["detached", "changed", "attached"]
    assert [passage["done"] for passage in done["passages"]] == ["deleted"]
    human = versions(http, "blocks", done["blocks"][1]["block_id"])[0]
    gone = versions(http, "passages", done["passages"][0]["passage_id"])[0]
    for version in (human, gone):
        assert version["made_by"]["origin"] == "api"
        assert version["made_by"]["actor"].startswith("user-")
    assert (human["made_by"]["undoes"], gone["made_by"]["undoes"]) == (2, 1)
    assert human["at"] == gone["at"], "one transaction"
    assert undone(http, step_id) == {"agent_id": agent.id, "blocks": [], "passages": []}


def test_run_is_undone_from_its_last_step_to_its_first(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    before = memory(client, agent)
    first, run_id = told(
        client,
        agent,
        f"{EVERYTHING}"
        ' [[then: call memory_replace {"label": "human", "old_string": "a dog",'
        ' "new_string": "two dogs"}]]'
        ' [[and: call memory_insert {"label": "plans", "new_string": "Porto"}]]'
        " [[then: say noted]]",
    )
    assert memory(client, agent)[0]["human"].endswith("Has two dogs.")

    refused = undo(http, first)
    done = undone(http, run_id)

    assert refused.status_code == 409
    assert memory(client, agent) == before
    assert [b["undoes"] for b in done["blocks"] if b["done"] == "changed"].count(2) >= 1


def test_what_others_changed_since_stays(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    step_id, _ = told(client, agent, EVERYTHING)
    human = next(b for b in client.agents.blocks.list(agent.id).items if b.label == "human")
    client.blocks.update(human.id, value="ADA LIKES TEA.\nHas a dog.")

    undone(http, step_id)

    assert memory(client, agent)[0]["human"] == "ADA LIKES TEA."


def test_what_is_in_the_way_is_named_and_nothing_is_undone(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    step_id, _ = told(client, agent, EVERYTHING)
    human = next(b for b in client.agents.blocks.list(agent.id).items if b.label == "human")
    (passage,) = client.agents.passages.list(agent.id)
    client.blocks.update(human.id, value="Ada likes tea.\nHas a cat.")
    http.patch(f"/v1/passages/{passage.id}", json={"text": "The cat is called Biscuit."})
    before = memory(client, agent)

    refused = undo(http, step_id)

    assert refused.status_code == 409
    detail = refused.json()["detail"]
    assert (detail["code"], detail["current_version"]) == ("edit_conflict", 3)
    assert detail["yours"]["value"] == "Ada likes tea."
    assert detail["current"]["value"] == "Ada likes tea.\nHas a cat."
    assert f"'{human.id}': what version 2 made was changed by version 3;" in detail["message"]
    assert f"'{passage.id}': what version 1 made was changed by version 2;" in detail["message"]
    assert memory(client, agent) == before
    http.post(f"/v1/blocks/{human.id}/undo", json={"version": 3})
    http.post(f"/v1/passages/{passage.id}/undo", json={"version": 2})
    undone(http, step_id)
    assert memory(client, agent) == ({"human": "Ada likes tea.", "old": "Nothing of note."}, [])


def test_undo_that_cannot_be_written_leaves_nothing_half_done(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    step_id, _ = told(client, agent, EVERYTHING)
    client.agents.blocks.attach(
        client.blocks.create(label="old", value="Another one.").id, agent_id=agent.id
    )
    before = memory(client, agent)

    refused = undo(http, step_id)

    assert refused.status_code == 409
    assert "two blocks with the label 'old'" in refused.json()["detail"]
    assert memory(client, agent) == before


def test_created_block_that_another_agent_has_too_stays_with_it(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    step_id, _ = told(client, agent, EVERYTHING)
    plans = next(b for b in client.agents.blocks.list(agent.id).items if b.label == "plans")
    other = client.agents.create(model=MODEL, block_ids=[plans.id])

    undone(http, step_id)

    assert "plans" not in memory(client, agent)[0]
    assert memory(client, other)[0]["plans"] == "Lisbon"


def test_agent_is_told_at_its_next_step(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    step_id, _ = told(
        client, agent, '[[script: call memory_insert {"label": "human", "new_string": "Dog."}]]'
    )
    undone(http, step_id)

    next_id, _ = told(client, agent, "[[script: say hm]]")

    request = http.get(f"/v1/steps/{next_id}/request").json()["request"]
    assert "Core memory was changed from outside" in str(request["turns"][-1])


def test_runs_that_are_not_over_and_ids_that_are_not_there_are_refused(
    client: Letta, http: httpx.Client, agent: AgentState, server: Server
) -> None:
    _, run_id = told(client, agent, EVERYTHING)
    value(
        server.database.admin_uri,
        "update remanence.runs set status = 'running' where id = %s returning 1",
        run_id,
    )

    assert "is not over" in undo(http, run_id).json()["detail"]
    assert undo(http, new_id("step")).status_code == 404
    assert undo(http, new_id("run")).status_code == 404


def test_undo_that_was_overtaken_is_made_again_on_what_is_there(
    client: Letta, agent: AgentState, server: Server
) -> None:
    step_id, _ = told(client, agent, EVERYTHING)
    human = next(b for b in client.agents.blocks.list(agent.id).items if b.label == "human")
    (passage,) = client.agents.passages.list(agent.id)

    class Overtaken(StepChanges):
        """Others change something after each of the first two looks."""

        looks = 0

        def load_changes(self, org_id: OrgId, subject_id: str) -> MemoryChanges:
            found = super().load_changes(org_id, subject_id)
            self.looks += 1
            if self.looks == 1:
                client.blocks.update(human.id, value="ADA LIKES TEA.\nHas a dog.")
            if self.looks == 2:
                client.agents.passages.delete(passage.id, agent_id=agent.id)
            return found

    changes = Overtaken(server.deps.catalog.queries)
    undo = StepUndo(changes=changes, archival=server.deps.archival)
    undo.undo(DEFAULT_ORG_ID, step_id, Author(origin="api"))

    assert changes.looks == 3
    assert memory(client, agent) == ({"human": "ADA LIKES TEA.", "old": "Nothing of note."}, [])


def test_command_undoes_a_run_and_says_what_it_did(
    client: Letta, agent: AgentState, server: Server
) -> None:
    before = memory(client, agent)
    _, run_id = told(client, agent, EVERYTHING)

    done = run_cli("undo", run_id, "--uri", server.database.app_uri)

    assert done.returncode == 0, done.stderr
    assert sorted(line.split(": ")[1] for line in done.stdout.splitlines()) == [
        "attached again",
        "detached",
        "version 1 undone",
        "version 2 undone",
    ]
    assert memory(client, agent) == before


def test_command_refuses_an_id_of_something_else(agent: AgentState, server: Server) -> None:
    with pytest.raises(InvalidRequest, match="neither a step nor a run"):
        undo_memory(Settings(), {}, agent.id, uri=server.database.app_uri, org_id=DEFAULT_ORG_ID)
