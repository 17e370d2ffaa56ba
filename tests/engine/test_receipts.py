"""What the database keeps of the requests of steps, and what it erases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.world import World, an_agent, attach_block, ended, value

from remanence.core.exchange import Reply, Request, Text
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.db.catalog import Catalog
from remanence.db.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

SAYS = Reply(parts=(Text(text="Noted."),), finish="stop")


@pytest.fixture
def worlds(fresh_database: Database) -> Generator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


def a_world(database: Database, worlds: list[World], *steps: Any) -> World:
    worlds.append(World.over(database.app_uri, steps))
    return worlds[-1]


def snapshots(database: Database) -> list[tuple[str, str]]:
    with psycopg.connect(database.admin_uri) as conn:
        return conn.execute("select kind, body from remanence.snapshots order by kind").fetchall()


def block_id_of(database: Database, agent_id: str) -> str:
    found: str = value(
        database.admin_uri,
        "select block_id from remanence.agents_blocks where agent_id = %s",
        agent_id,
    )
    return found


def delete_block(world: World, block_id: str) -> None:
    Catalog(Queries(world.connections)).blocks.delete_block(DEFAULT_ORG_ID, block_id)


def test_system_part_and_tools_are_kept_once_for_many_steps(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(fresh_database.admin_uri, blocks={"human": "Ada likes tea."})
    world = a_world(fresh_database, worlds, *[SAYS] * 3)

    for text in ("one", "two", "three"):
        world.say(agent_id, text)

    (_, system), (_, tools) = snapshots(fresh_database)
    assert "Ada likes tea." in system
    assert '"memory_insert"' in tools
    receipts: list[dict[str, Any]] = value(
        fresh_database.admin_uri,
        "select jsonb_agg(receipt order by created_at) from remanence.steps where agent_id = %s",
        agent_id,
    )
    assert len({(each["system"], each["tools"]) for each in receipts}) == 1
    assert len({each["request"] for each in receipts}) == 3
    assert [each["messages"] for each in receipts] == [[1, 1], [1, 3], [1, 5]]


def test_deleting_a_block_erases_it_from_everything_that_was_kept(
    fresh_database: Database, worlds: list[World]
) -> None:
    shared = an_agent(fresh_database.admin_uri, blocks={"human": "Ada likes tea."})
    block_id = block_id_of(fresh_database, shared)
    other = an_agent(fresh_database.admin_uri, blocks={"human": "Bob likes rum."})
    world = a_world(fresh_database, worlds, *[SAYS] * 3)
    world.say(shared, "hello")
    world.say(other, "hello")
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        # detached, so that nothing leads from the agent to the block any more
        conn.execute("delete from remanence.agents_blocks where block_id = %s", [block_id])

    delete_block(world, block_id)

    [system] = [body for kind, body in snapshots(fresh_database) if kind == "system"]
    assert "Bob likes rum." in system
    held = value(
        fresh_database.admin_uri,
        "select count(*) from remanence.conversations where epoch::text like '%%tea%%'",
    )
    assert held == 0
    assert ended(world.say(shared, "and now?")).stop_reason == "end_turn"


def test_block_that_is_deleted_while_the_model_answers_is_not_kept(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(fresh_database.admin_uri, blocks={"human": "Ada likes tea."})
    other = a_world(fresh_database, worlds)

    def answer(request: Request) -> Reply:
        assert "Ada likes tea." in request.system
        delete_block(other, block_id_of(fresh_database, agent_id))
        return SAYS

    world = a_world(fresh_database, worlds, answer, SAYS)
    assert ended(world.say(agent_id, "hello")).stop_reason == "end_turn"

    assert [kind for kind, _ in snapshots(fresh_database)] == ["tools"]
    assert value(fresh_database.admin_uri, "select epoch from remanence.conversations") is None
    assert ended(world.say(agent_id, "and now?")).stop_reason == "end_turn"
    assert "Ada" not in str(snapshots(fresh_database))


def test_equal_block_made_after_the_first_was_deleted_is_kept_again(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(fresh_database.admin_uri, blocks={"human": "Ada likes tea."})
    world = a_world(fresh_database, worlds, SAYS, SAYS)
    world.say(agent_id, "hello")
    delete_block(world, block_id_of(fresh_database, agent_id))
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        twin = "block-00000000-0000-4000-8000-000000000001"
        conn.execute(
            'insert into remanence.blocks (id, org_id, label, value, "limit")'
            " values (%s, %s, 'human', 'Ada likes tea.', 2000)",
            [twin, DEFAULT_ORG_ID],
        )
        attach_block(conn, agent_id, twin, "human")

    world.say(agent_id, "and again")

    assert "Ada likes tea." in str(snapshots(fresh_database))
