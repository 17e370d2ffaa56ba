from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from support.world import World, an_agent, history, value

from remanence.core.exchange import Reply, Request, Text
from remanence.engine.compact import sweep
from remanence.errors import ProviderOverloaded

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import tzinfo

    from support.pg import Database

FOREVER = float("inf")


def saying(text: str) -> Reply:
    return Reply(parts=(Text(text=text),), finish="stop")


@pytest.fixture
def worlds(fresh_database: Database) -> Generator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


def a_talk(database: Database, worlds: list[World], turns: int = 8, **agent: int) -> str:
    agent_id = an_agent(database.admin_uri, **({"context_window_limit": 4_500} | agent))
    world = World.over(database.app_uri, [saying(f"answer {n}") for n in range(turns)])
    worlds.append(world)
    for number in range(turns):
        world.say(agent_id, f"Turn {number}: the code of room {number} is {4700 + number}. " * 32)
    return agent_id


def swept(database: Database, worlds: list[World], *steps: object) -> World:
    world = World.over(database.app_uri, steps)
    worlds.append(world)
    sweep(world.deps, share=0.3, deadline=FOREVER)
    return world


def summaries_of(database: Database, agent_id: str) -> list[tuple[str, str]]:
    return (
        value(
            database.admin_uri,
            "select jsonb_agg(jsonb_build_array(model, text) order by from_seq)"
            " from remanence.summaries where agent_id = %s",
            agent_id,
        )
        or []
    )


def test_sweep_moves_the_older_part_behind_the_summary_of_a_model(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)

    def summary(request: Request) -> Reply:
        assert "4700" in request.turns[0].parts[0].text  # type: ignore[union-attr]
        return saying("Rooms 0 to 6 have the codes 4700 4701 4702 4703 4704 4705 4706.")

    swept(fresh_database, worlds, summary)

    [(model, text)] = summaries_of(fresh_database, agent_id)
    assert model == "scripted/model"
    assert "4703" in text
    assert len(history(fresh_database.admin_uri, agent_id)) == 16  # nothing is deleted
    assert value(
        fresh_database.admin_uri,
        "select window_from_seq > 1 from remanence.conversations where agent_id = %s",
        agent_id,
    )


@pytest.mark.parametrize(
    "steps",
    [
        [ProviderOverloaded("down")] * 4,
        [saying("")],
        [Reply(parts=(Text(text="cut off in"),), finish="length")],
        [saying("word " * 20_000)],
    ],
    ids=["fails", "empty", "cut off", "longer than what it replaces"],
)
def test_summariser_that_writes_nothing_of_use_is_replaced_by_code(
    fresh_database: Database, worlds: list[World], steps: list[object]
) -> None:
    agent_id = a_talk(fresh_database, worlds)

    swept(fresh_database, worlds, *steps)

    [(model, text)] = summaries_of(fresh_database, agent_id)
    assert model == "extractive"
    assert "4700" in text


def test_summary_that_drops_names_and_numbers_is_asked_for_once_more_and_completed(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)

    world = swept(fresh_database, worlds, saying("They talked."), saying("They talked of 4700."))

    assert len(world.scripted.requests) == 2
    [(model, text)] = summaries_of(fresh_database, agent_id)
    assert model == "scripted/model"
    assert text.startswith("They talked of 4700.")
    assert "4701" in text


def test_message_that_arrives_while_a_summary_is_written_is_neither_lost_nor_covered(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)
    talking = World.over(fresh_database.app_uri, [saying("still here")])
    worlds.append(talking)

    def meanwhile(request: Request) -> Reply:
        talking.say(agent_id, "And one more thing.")
        return saying("4700 4701 4702 4703 4704 4705 4706")

    swept(fresh_database, worlds, meanwhile)

    covered, window_from, last = value(
        fresh_database.admin_uri,
        "select jsonb_build_array((select max(to_seq) from remanence.summaries),"
        " window_from_seq, next_seq - 1) from remanence.conversations where agent_id = %s",
        agent_id,
    )
    assert covered == window_from - 1
    assert window_from < last - 1
    assert ("user", "And one more thing.") in history(fresh_database.admin_uri, agent_id)


def test_conversation_with_nothing_to_move_is_left_alone_until_more_is_said(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds, turns=1, context_window_limit=2_500)
    world = World.over(fresh_database.app_uri, [saying("again")])
    worlds.append(world)

    def due() -> int:
        return len(world.deps.store.list_due(limit=10, hanging_after_ms=0, share=0.1))

    assert due() == 1
    sweep(world.deps, share=0.1, deadline=FOREVER)
    assert due() == 0
    world.say(agent_id, "more")
    assert due() == 1


def test_conversation_that_cannot_be_compacted_is_left_alone_until_more_is_said(
    fresh_database: Database, worlds: list[World]
) -> None:
    a_talk(fresh_database, worlds)

    def broken(name: str) -> tzinfo:
        raise ZeroDivisionError(name)

    world = World.over(fresh_database.app_uri, zones=broken)
    worlds.append(world)

    report = sweep(world.deps, share=0.3, deadline=FOREVER)

    assert (report.compacted, report.skipped) == (0, 1)
    assert world.deps.store.list_due(limit=10, hanging_after_ms=0, share=0.3) == []


def test_sweep_takes_turns_between_organizations(
    fresh_database: Database, worlds: list[World]
) -> None:
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        for org_id, count in (("org-busy", 6), ("org-calm", 1)):
            conn.execute("insert into remanence.organizations values (%s, %s)", [org_id] * 2)
            for number in range(count):
                conn.execute(ONE_OF_EVERYTHING, {"org": org_id, "number": number})
    world = World.over(fresh_database.app_uri)
    worlds.append(world)

    due = world.deps.store.list_due(limit=2, hanging_after_ms=0, share=0.3)

    assert sorted((item.kind, item.org_id) for item in due) == [
        (kind, org_id)
        for kind in ("callback", "hanging", "large")
        for org_id in ("org-busy", "org-calm")
    ]


# A full conversation, a run that hangs, a caller to be told: less urgent for the calm one.
ONE_OF_EVERYTHING = """
with agent as (
    insert into remanence.agents (id, org_id, name, agent_type, system, model, context_window_limit)
    values ('agent-' || gen_random_uuid(), %(org)s, 'tested', 'letta_v1_agent', '', '', 1000)
    returning id),
conv as (
    insert into remanence.conversations (
        id, org_id, agent_id, is_default, window_tokens, last_message_at)
    select 'conv-' || gen_random_uuid(), %(org)s, id, true,
        case when %(org)s = 'org-busy' then 900 else 400 end, now() from agent
    returning id, agent_id)
insert into remanence.runs (
    id, org_id, agent_id, conversation_id, ord, status, options, input, created_at,
    callback_url, callback_due_at)
select 'run-' || gen_random_uuid(), %(org)s, agent_id, id, place, status, '{}', '[]',
    now() - case when %(org)s = 'org-busy' then interval '1 hour' else interval '1 min' end,
    'https://caller.example', due
from conv, (values (1, 'completed', now() - case when %(org)s = 'org-busy'
        then interval '1 hour' else interval '1 min' end),
    (2, 'created', null)) as wanted (place, status, due)
"""
