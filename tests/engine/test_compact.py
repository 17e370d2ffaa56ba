from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.world import World, an_agent, history, value

from remanence.core.exchange import Reply, Request, Text
from remanence.engine.compact import sweep
from remanence.errors import ProviderOverloaded

if TYPE_CHECKING:
    from collections.abc import Generator

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
