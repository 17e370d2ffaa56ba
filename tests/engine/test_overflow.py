"""The sweep moves lines of nearly full blocks to archival memory, on a real database."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.world import World, an_agent, attach_block, value

from remanence.core.exchange import Reply, Request, Text
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.versions import Author
from remanence.db.block_versions import BlockVersions
from remanence.db.overflow import PostgresOverflow
from remanence.engine.overflow import move_overflow
from remanence.engine.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from support.pg import Database

    from remanence.core.archival import NewText
    from remanence.core.overflow import FullBlock
    from remanence.core.types import Block

FOREVER = float("inf")
FACTS = tuple(f"Fact {place}: her locker {place:03} holds a violet umbrella" for place in range(41))
TOOLS = ("memory_insert", "archival_memory_search")


@pytest.fixture
def worlds(fresh_database: Database) -> Generator[Callable[..., World]]:
    made: list[World] = []

    def make(*steps: Any, **changes: Any) -> World:
        made.append(World.over(fresh_database.app_uri, list(steps), **changes))
        return made[-1]

    yield make
    for world in made:
        world.close()


def a_full_agent(database: Database, tools: Sequence[str] = TOOLS, **columns: Any) -> str:
    """An agent with one block that is nearly full, and the wish to have it kept small."""
    settings = {"compaction_settings": {"archive_blocks": ["human"]}} | columns
    return an_agent(database.admin_uri, blocks={"human": "\n".join(FACTS)}, tools=tools, **settings)


def block_of(database: Database, agent_id: str) -> dict[str, Any]:
    found: dict[str, Any] = value(
        database.admin_uri,
        "select to_jsonb(block) from remanence.blocks as block join remanence.agents_blocks as link"
        " on link.block_id = block.id where link.agent_id = %s",
        agent_id,
    )
    return found


def passages(database: Database) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = value(
        database.admin_uri,
        "select coalesce(jsonb_agg(to_jsonb(passage) order by passage.id), '[]')"
        " from remanence.passages as passage",
    )
    return found


def test_the_sweep_moves_lines_the_agent_is_told_and_finds_them(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = a_full_agent(fresh_database)
    before = block_of(fresh_database, agent_id)
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        seen.append(request)
        return Reply(parts=(Text(text="I see."),), finish="stop")

    world = worlds(answer, answer)
    world.say(agent_id, "Good morning.")

    report = sweep(world.deps, share=0.8, deadline=FOREVER)

    assert report.moved == 1
    assert report.model_calls == 0
    block, kept = block_of(fresh_database, agent_id), passages(fresh_database)
    assert len(block["value"]) <= 0.7 * block["limit"]
    assert block["version"] == before["version"] + 1
    left = block["value"].split("\n")[1:]
    assert sorted([*left, *(each["text"] for each in kept)]) == sorted(FACTS)
    for passage in kept:
        assert passage["tags"] == ["core_memory", "human"]
        assert passage["metadata"] == {
            "moved_from": {
                "block_id": block["id"],
                "label": "human",
                "version": before["version"],
            }
        }
    author = value(
        fresh_database.admin_uri,
        "select author from remanence.block_versions where block_id = %s and version = %s",
        block["id"],
        block["version"],
    )
    assert author == {"origin": "sweep"}
    # the agent reads of it at its next step, and its search has what went
    world.say(agent_id, "What is in locker 003?")
    assert f"[{len(kept)} older entries are in archival memory" in str(seen[-1])
    found = world.deps.recall.search_passages(
        DEFAULT_ORG_ID,
        agent_id=agent_id,
        query="What is in locker 003?",
        query_embedding=None,
        embedding_model=None,
        tags=["core_memory", "human"],
        tag_match_mode="all",
        limit=3,
        start=None,
        end=None,
    )
    assert FACTS[3] in [hit.passage.text for hit in found]
    assert sweep(world.deps, share=0.8, deadline=FOREVER).moved == 0


def test_what_it_moved_can_be_undone(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = a_full_agent(fresh_database)
    world = worlds()
    block_id = block_of(fresh_database, agent_id)["id"]
    with psycopg.connect(fresh_database.admin_uri) as conn:
        conn.execute(
            "insert into remanence.block_versions (org_id, block_id, version, value)"
            " select org_id, id, version, value from remanence.blocks where id = %s",
            [block_id],
        )
    assert move_overflow(world.deps, deadline=FOREVER) == 1

    versions = BlockVersions(world.deps.overflow._queries)  # type: ignore[union-attr]
    versions.undo(DEFAULT_ORG_ID, block_id, None, Author(origin="api"))

    assert block_of(fresh_database, agent_id)["value"] == "\n".join(FACTS)
    # and is not done again over the head of whoever undid it; when it is, nothing is kept twice
    assert move_overflow(world.deps, deadline=FOREVER) == 0
    kept = [passage["text"] for passage in passages(fresh_database)]
    with psycopg.connect(fresh_database.admin_uri) as conn:
        conn.execute("update remanence.block_versions set author = null")
    assert move_overflow(world.deps, deadline=FOREVER) == 1
    assert [passage["text"] for passage in passages(fresh_database)] == kept


def test_a_block_that_fails_does_not_stop_the_others(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    a_full_agent(fresh_database)
    a_full_agent(fresh_database)
    world = worlds()
    store = Meanwhile(world.deps.overflow._queries)  # type: ignore[union-attr]
    met: list[str] = []

    def act(full: FullBlock) -> None:
        met.append(full.block.id)
        if len(met) == 1:
            raise RuntimeError("nobody expected this")

    store.act = act

    assert move_overflow(replace(world.deps, overflow=store), deadline=FOREVER) == 1


@pytest.mark.parametrize(
    ("tools", "settings", "read_only", "shared"),
    [
        (("memory_insert",), {"archive_blocks": ["human"]}, False, False),  # could not find it
        (TOOLS, {}, False, False),
        (TOOLS, {"archive_blocks": []}, False, False),
        (TOOLS, {"archive_blocks": ["persona"]}, False, False),
        (TOOLS, {"archive_blocks": ["human"]}, True, False),
        (TOOLS, {"archive_blocks": ["human"]}, False, True),
    ],
)
def test_other_blocks_are_left_alone(
    fresh_database: Database,
    worlds: Callable[..., World],
    tools: tuple[str, ...],
    settings: dict[str, Any],
    read_only: bool,
    shared: bool,
) -> None:
    agent_id = a_full_agent(fresh_database, tools, compaction_settings=settings)
    block = block_of(fresh_database, agent_id)
    with psycopg.connect(fresh_database.admin_uri) as conn:
        conn.execute("update remanence.blocks set read_only = %s", [read_only])
        if shared:
            attach_block(conn, an_agent(fresh_database.admin_uri), block["id"], "human")

    assert move_overflow(worlds().deps, deadline=FOREVER) == 0

    assert block_of(fresh_database, agent_id)["value"] == "\n".join(FACTS)
    assert passages(fresh_database) == []


class Meanwhile(PostgresOverflow):
    """Something happens between the reading of a block and the writing."""

    act: Callable[[FullBlock], None]

    def move_lines(
        self, full: FullBlock, relieved: Block, *, texts: Sequence[NewText], new_archive_id: str
    ) -> bool:
        self.act(full)
        return super().move_lines(full, relieved, texts=texts, new_archive_id=new_archive_id)


@pytest.mark.parametrize(
    "change",
    [
        "update remanence.blocks set value = value || '!', version = version + 1 where id = %s",
        "update remanence.blocks set read_only = true where id = %s",
        "delete from remanence.agents_blocks where block_id = %s",
        "delete from remanence.blocks where id = %s",
    ],
)
def test_a_block_that_changed_meanwhile_is_left_as_it_is(
    fresh_database: Database, worlds: Callable[..., World], change: str
) -> None:
    a_full_agent(fresh_database)
    world = worlds()

    def act(full: FullBlock) -> None:
        with psycopg.connect(fresh_database.admin_uri) as conn:
            conn.execute(change.encode(), [full.block.id])

    store = Meanwhile(world.deps.overflow._queries)  # type: ignore[union-attr]
    store.act = act

    assert move_overflow(replace(world.deps, overflow=store), deadline=FOREVER) == 0
    assert passages(fresh_database) == []


def test_two_sweeps_at_once_move_each_line_once(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = a_full_agent(fresh_database)
    both = Barrier(2, timeout=10)
    done: list[int] = []

    def one(world: World) -> None:
        store = Meanwhile(world.deps.overflow._queries)  # type: ignore[union-attr]
        store.act = lambda _full: both.wait() and None
        done.append(move_overflow(replace(world.deps, overflow=store), deadline=FOREVER))

    threads = [Thread(target=one, args=[worlds()]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == [0, 1]
    left = block_of(fresh_database, agent_id)["value"].split("\n")[1:]
    kept = [each["text"] for each in passages(fresh_database)]
    assert sorted([*left, *kept]) == sorted(FACTS)


def test_a_block_with_nothing_to_move_does_not_keep_others_waiting(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    for _ in range(3):
        an_agent(
            fresh_database.admin_uri,
            blocks={"human": "x" * 1_900},
            tools=TOOLS,
            compaction_settings={"archive_blocks": ["human"]},
        )
    agent_id = a_full_agent(fresh_database)

    assert move_overflow(worlds().deps, deadline=FOREVER) == 1
    assert block_of(fresh_database, agent_id)["value"].startswith("[")
