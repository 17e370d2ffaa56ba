"""Any past step compiles again, byte for byte, out of its receipt; or says why it does not.

`make perf ARGS='tests/engine/test_replay.py -s'` replays a thousand.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.process import run_cli
from support.random_talks import Talks
from support.world import World, a_message, an_agent, an_order, ended, value

from remanence.core.exchange import Approval, Reply, Text, ToolCall
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.replay import replay
from remanence.db.catalog import Catalog
from remanence.db.history import History
from remanence.db.queries import Queries
from remanence.db.receipts import Receipts
from remanence.errors import NotReplayable, ProviderOverloaded
from remanence.llm import anthropic_request, openai_request
from remanence.llm.vendors import VENDORS
from remanence.zones import zone

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from support.pg import Database

    from remanence.core.exchange import Request

OPENAI, ANTHROPIC = (
    next(vendor for vendor in VENDORS if vendor.name == name) for name in ("openai", "anthropic")
)


def wire_bytes(request: Request) -> tuple[str, str]:
    """The bodies that go to either kind of provider."""
    return (
        json.dumps(openai_request.to_body(request, OPENAI, stream=True)),
        json.dumps(anthropic_request.to_body(request, ANTHROPIC, stream=True)),
    )


def replayed(world: World, step_id: str) -> Request:
    kept = Receipts(Queries(world.connections)).load_kept(DEFAULT_ORG_ID, step_id)
    return replay(kept, zone)


def play_and_replay(database: Database, *, seed: int, steps: int) -> Counter[str]:
    """What the replayed steps had in them, counted; every one is the same bytes as was sent."""
    talks = Talks.over(database.admin_uri, database.app_uri, seed)
    try:
        sent = talks.play(steps=steps)
        for step_id, request in sent.items():
            assert wire_bytes(replayed(talks.world, step_id)) == wire_bytes(request), step_id
    finally:
        talks.close()
    with psycopg.connect(database.admin_uri) as conn:
        receipts = [row[0] for row in conn.execute("select receipt from remanence.steps")]
    return Counter(
        name
        for receipt in receipts
        for name in ("note", "summaries", "repairs", "passages", "settings", "asked")
        if receipt.get(name) not in (None, [], {})
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_past_steps_compile_again_byte_for_byte(fresh_database: Database, seed: int) -> None:
    seen = play_and_replay(fresh_database, seed=seed, steps=75)

    assert min(seen[name] for name in ("note", "summaries", "passages", "settings")) > 0, seen


@pytest.mark.perf
def test_a_thousand_past_steps_compile_again_byte_for_byte(fresh_database: Database) -> None:
    seen = play_and_replay(fresh_database, seed=2026, steps=1_000)

    print(dict(seen))
    assert min(seen[n] for n in ("note", "summaries", "repairs", "passages", "asked")) > 0, seen


# --- what cannot be replayed ------------------------------------------------------------------


@pytest.fixture
def worlds(fresh_database: Database) -> Generator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


def says(text: str) -> Reply:
    return Reply(parts=(Text(text=text),), finish="stop")


def a_talk(
    database: Database,
    worlds: list[World],
    *steps: Any,
    texts: Sequence[str] = ("one", "two"),
    **agent: Any,
) -> tuple[World, str]:
    """A world, and an agent in it that was spoken to."""
    world = World.over(database.app_uri, steps or [says("Hm."), says("Aha."), says("Oh.")])
    worlds.append(world)
    agent_id = an_agent(database.admin_uri, blocks={"human": "Ada likes tea."}, **agent)
    for text in texts:
        world.say(agent_id, text)
    return world, agent_id


def steps_of(database: Database, agent_id: str) -> list[str]:
    found: list[str] = value(
        database.admin_uri,
        "select jsonb_agg(id order by created_at) from remanence.steps where agent_id = %s",
        agent_id,
    )
    return found


def change(database: Database, statement: str, *params: object) -> None:
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(statement.encode(), params)


def refusal(world: World, step_id: str) -> str:
    with pytest.raises(NotReplayable) as refused:
        replayed(world, step_id)
    return refused.value.reason


def test_step_whose_history_was_reset_says_so_though_other_messages_stand_there(
    fresh_database: Database, worlds: list[World]
) -> None:
    world, agent_id = a_talk(fresh_database, worlds)
    History(Queries(world.connections)).reset_messages(DEFAULT_ORG_ID, agent_id)
    world.say(agent_id, "three")

    first, _, third = steps_of(fresh_database, agent_id)

    assert "messages it had in view were deleted" in refusal(world, first)
    assert replayed(world, third).turns[0].parts == (Text(text="three"),)


def test_step_whose_message_was_changed_is_not_shown_wrongly(
    fresh_database: Database, worlds: list[World]
) -> None:
    world, agent_id = a_talk(fresh_database, worlds)
    change(
        fresh_database,
        'update remanence.messages set parts = \'[{"type": "text", "text": "uno"}]\' where seq = 1',
    )

    assert "was changed since" in refusal(world, steps_of(fresh_database, agent_id)[0])


def test_step_whose_block_was_deleted_says_so(
    fresh_database: Database, worlds: list[World]
) -> None:
    world, agent_id = a_talk(fresh_database, worlds)
    block_id = value(fresh_database.admin_uri, "select block_id from remanence.agents_blocks")

    Catalog(Queries(world.connections)).blocks.delete_block(DEFAULT_ORG_ID, block_id)

    assert "system prompt, erased" in refusal(world, steps_of(fresh_database, agent_id)[1])


def test_step_that_asked_no_model_says_so(fresh_database: Database, worlds: list[World]) -> None:
    arguments = '{"label": "human", "new_string": "And milk."}'
    call = ToolCall(tool_call_id="call-1", name="memory_insert", arguments=arguments)
    world, agent_id = a_talk(
        fresh_database,
        worlds,
        Reply(parts=(call,), finish="tool_calls"),
        says("Noted."),
        texts=("one",),
        tool_rules=[{"type": "requires_approval", "tool_name": "memory_insert"}],
    )
    approval = replace(
        a_message("", "approval"), parts=(Approval(tool_call_id="call-1", approve=True),)
    )
    order = replace(an_order(agent_id), messages=(approval,))
    assert ended(list(world.engine.start(DEFAULT_ORG_ID, order, stream=False)))

    asked, ran, answered = steps_of(fresh_database, agent_id)

    assert "asked no model" in refusal(world, ran)
    assert len(replayed(world, asked).turns) == 1
    assert [turn.role for turn in replayed(world, answered).turns] == ["user", "assistant", "tool"]


def test_step_that_failed_says_so(fresh_database: Database, worlds: list[World]) -> None:
    world, agent_id = a_talk(fresh_database, worlds, ProviderOverloaded("away"), texts=("one",))

    assert "ended as failed" in refusal(world, steps_of(fresh_database, agent_id)[0])


def test_step_of_an_older_version_says_so(fresh_database: Database, worlds: list[World]) -> None:
    world, agent_id = a_talk(fresh_database, worlds)
    change(fresh_database, "update remanence.steps set receipt = receipt - 'request'")

    assert "receipts did not keep enough" in refusal(world, steps_of(fresh_database, agent_id)[0])


def test_command_prints_the_request_of_a_step_or_why_there_is_none(
    fresh_database: Database, worlds: list[World]
) -> None:
    _, agent_id = a_talk(fresh_database, worlds)
    first, second = steps_of(fresh_database, agent_id)
    change(fresh_database, "delete from remanence.messages where seq > 1")

    told = run_cli("replay", first, "--uri", fresh_database.app_uri)
    refused = run_cli("replay", second, REMANENCE_PG_URI=fresh_database.app_uri)
    unknown = run_cli("replay", "step-unknown", "--uri", fresh_database.app_uri)

    assert told.returncode == 0, told.stderr
    request = json.loads(told.stdout)
    assert request["turns"] == [
        {"role": "user", "name": None, "parts": [{"type": "text", "text": "one"}]}
    ]
    assert "Ada likes tea." in request["system"]
    assert "the same bytes as were sent" in told.stderr
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "cannot be replayed: the 3 messages" in refused.stderr
    assert unknown.returncode == 1
    assert "Traceback" not in unknown.stderr + refused.stderr
