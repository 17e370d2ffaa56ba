"""An agent reads on from a summary in its view down to the words, on a real database."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.world import World, an_agent, stored, value

from remanence.core.exchange import Reply, Text, ToolCall, ToolReturn
from remanence.core.ids import DEFAULT_ORG_ID, OrgId
from remanence.engine.sweep import sweep
from remanence.errors import ProviderOverloaded

if TYPE_CHECKING:
    from support.pg import Database

FOREVER = float("inf")
TURNS = 40


@pytest.fixture
def long_talk(fresh_database: Database) -> str:
    """An agent whose conversation was compacted until its summaries have summaries."""
    agent_id = an_agent(fresh_database.admin_uri, context_window_limit=4_500)
    talking = World.over(fresh_database.app_uri)
    silent = World.over(fresh_database.app_uri, [ProviderOverloaded("down")] * TURNS)
    for turn in range(TURNS):
        talking.say(agent_id, f"The code of room {turn} is {4700 + turn}. " * 20)
        if turn % 3 == 2:
            sweep(silent.deps, share=0.1, deadline=FOREVER)
    talking.close()
    silent.close()
    return agent_id


def saying(text: str) -> Reply:
    return Reply(parts=(Text(text=text),), finish="stop")


def expanded(database: Database, agent_id: str, handle: str) -> dict[str, Any]:
    arguments = json.dumps({"expand": handle})
    call = ToolCall(tool_call_id="c", name="conversation_search", arguments=arguments)
    world = World.over(
        database.app_uri, [Reply(parts=(call,), finish="tool_calls"), saying("I see.")]
    )
    messages = stored(world.say(agent_id, "What was that?"))
    world.close()
    [answer] = [
        part for message in messages for part in message.parts if isinstance(part, ToolReturn)
    ]
    assert answer.status == "success"
    found: dict[str, Any] = json.loads(answer.text)
    return found


def handles_in_view(database: Database, agent_id: str) -> list[str]:
    """The spans that the prompt of the next request names."""
    world = World.over(database.app_uri, [saying("hello")])
    world.say(agent_id, "hello")
    opening = world.scripted.requests[0].turns[0].parts[0]
    world.close()
    assert isinstance(opening, Text)
    assert 'conversation_search, expand="' in opening.text
    return re.findall(r"^\[messages (\d+-\d+)\]$", opening.text, re.MULTILINE)


def test_every_word_is_reached_from_the_summaries_in_view(
    fresh_database: Database, long_talk: str
) -> None:
    open_handles = handles_in_view(fresh_database, long_talk)
    said = value(
        fresh_database.admin_uri,
        "select jsonb_agg(msg.seq order by msg.seq) from remanence.messages as msg"
        " join remanence.conversations as conv on conv.id = msg.conversation_id"
        " where conv.agent_id = %s and msg.seq < conv.window_from_seq and msg.role <> 'system'",
        long_talk,
    )
    assert value(fresh_database.admin_uri, "select max(level) from remanence.summaries") >= 1

    places: list[int] = []
    while open_handles:
        handle = open_handles.pop(0)
        answer = expanded(fresh_database, long_talk, handle)
        rest = re.findall(r'expand="([^"]+)"', answer["message"])
        finer = [each["expand"] for each in answer["results"] if "expand" in each]
        assert handle not in finer
        places += [each["place"] for each in answer["results"] if "place" in each]
        open_handles = [*finer, *rest, *open_handles]

    assert places == said


def test_what_is_in_view_unknown_or_of_others_is_not_expanded(
    fresh_database: Database, long_talk: str
) -> None:
    other = an_agent(fresh_database.admin_uri)
    summary_id = value(
        fresh_database.admin_uri, "select min(id) from remanence.summaries where level = 0"
    )

    own = expanded(fresh_database, long_talk, summary_id)
    foreign = expanded(fresh_database, other, summary_id)
    in_view = expanded(fresh_database, long_talk, "99990-99999")

    assert own["results"]
    assert foreign == {"message": "There is no such summary in this conversation.", "results": []}
    assert in_view["results"] == []
    assert "in your view" in in_view["message"]


def test_expansion_stays_within_the_organization_and_outlives_deleted_messages(
    fresh_database: Database, long_talk: str
) -> None:
    conversation_id = value(
        fresh_database.admin_uri,
        "select id from remanence.conversations where agent_id = %s",
        long_talk,
    )
    span = value(
        fresh_database.admin_uri,
        "select jsonb_build_array(from_seq, to_seq) from remanence.summaries where level = 0"
        " order by from_seq limit 1",
    )
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "delete from remanence.messages where conversation_id = %s and seq = %s",
            [conversation_id, span[0]],
        )
    world = World.over(fresh_database.app_uri)
    stranger = OrgId("org-11111111-1111-4111-8111-111111111111")

    def ask(org_id: OrgId) -> Any:
        return world.deps.recall.expand(
            org_id, conversation_id, summary_id=None, from_seq=span[0], to_seq=span[1]
        )

    found = ask(DEFAULT_ORG_ID)
    assert [message.seq for message in found.messages] == list(range(span[0] + 1, span[1] + 1))
    assert ask(stranger) is None
    world.close()
