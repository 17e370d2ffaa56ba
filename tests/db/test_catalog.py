"""The catalog on a real Postgres: whole or not at all, once, and only in one's own organization."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.agents import a_block, an_agent
from support.pg_proxy import CountingProxy
from support.world import new_id, value

from remanence.core.ids import DEFAULT_ORG_ID, OrgId
from remanence.core.types import Agent, Block, ToolRule
from remanence.core.versions import Author
from remanence.db.catalog import Catalog
from remanence.db.catalog_agents import AgentChange, AgentFilter, AgentView, NewAgent
from remanence.db.catalog_blocks import BlockFilter, BlockTarget
from remanence.db.catalog_tools import ToolFilter
from remanence.db.connect import OneConnection
from remanence.db.identities import IdentityWrite
from remanence.db.paging import Page
from remanence.db.queries import Queries
from remanence.db.seed import seed
from remanence.errors import Conflict, InvalidRequest, NotFound

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

ORG = DEFAULT_ORG_ID
API = Author(origin="api")


@pytest.fixture
def proxy(database: Database) -> Generator[CountingProxy]:
    counting = CountingProxy(database.app_uri)
    yield counting
    counting.close()


@pytest.fixture
def catalog(proxy: CountingProxy) -> Generator[Catalog]:
    connections = OneConnection(proxy.uri)
    yield Catalog(Queries(connections))
    connections.close()


def a_new_agent(*blocks: Block, agent: Agent | None = None, **fields: Any) -> NewAgent:
    return NewAgent(
        agent=agent or an_agent(), conversation_id=new_id("conv"), new_blocks=blocks, **fields
    )


def test_create_agent_is_one_round_trip_and_update_two(
    proxy: CountingProxy, catalog: Catalog
) -> None:
    catalog.list_tags(ORG, Page(), None)  # connect
    proxy.traffic.reset()

    made = catalog.agents.create_agent(
        ORG, a_new_agent(a_block("human"), a_block("persona"), tool_names=("send_message",))
    )
    assert proxy.traffic.round_trips == 1

    proxy.traffic.reset()
    catalog.agents.load_agent(ORG, made.agent.id)
    assert proxy.traffic.round_trips == 1

    proxy.traffic.reset()
    catalog.agents.list_agents(ORG, AgentFilter(), Page(), ("blocks", "tools"))
    assert proxy.traffic.round_trips == 1

    proxy.traffic.reset()
    catalog.agents.update_agent(ORG, made.agent.id, renamed("other"))
    assert proxy.traffic.round_trips == 2
    assert proxy.traffic.connections == 0


def renamed(name: str) -> Any:
    return lambda view: AgentChange(agent=replace(view.agent, name=name))


def test_create_agent_sent_again_gives_the_same_agent(catalog: Catalog) -> None:
    new = a_new_agent(a_block("human", "Ada"), tool_names=("send_message",))

    first = catalog.agents.create_agent(ORG, new)
    second = catalog.agents.create_agent(ORG, new)

    assert first == second
    assert [block.value for block in first.blocks] == ["Ada"]


def test_create_agent_that_is_refused_writes_nothing(database: Database, catalog: Catalog) -> None:
    block = a_block("human", "lost")
    new = a_new_agent(block, tool_names=("no_such_tool",))

    with pytest.raises(NotFound, match="tool 'no_such_tool'"):
        catalog.agents.create_agent(ORG, new)
    with pytest.raises(NotFound, match="block"):
        catalog.agents.create_agent(ORG, a_new_agent(block, block_ids=(new_id("block"),)))
    with pytest.raises(Conflict, match="two blocks with the label 'human'"):
        catalog.agents.create_agent(ORG, a_new_agent(block, a_block("human")))

    assert (
        value(database.admin_uri, "select count(*) from remanence.blocks where id = %s", block.id)
        == 0
    )
    with pytest.raises(NotFound):
        catalog.agents.load_agent(ORG, new.agent.id)


def test_insert_block_sent_again_gives_what_is_there(catalog: Catalog) -> None:
    block = a_block("human", "first")

    catalog.blocks.insert_block(ORG, block)
    catalog.blocks.update_block(ORG, BlockTarget(block_id=block.id), {"value": "second"}, API)
    again = catalog.blocks.insert_block(ORG, block)

    assert (again.value, again.version) == ("second", 2)


def test_update_agent_meets_another_update_and_keeps_both(catalog: Catalog) -> None:
    agent_id = catalog.agents.create_agent(ORG, a_new_agent()).agent.id
    seen: list[str] = []

    def change(view: AgentView) -> AgentChange:
        seen.append(view.agent.name)
        if len(seen) == 1:  # somebody else is faster
            catalog.agents.update_agent(ORG, agent_id, renamed("theirs"))
        return AgentChange(agent=replace(view.agent, description="mine"))

    after = catalog.agents.update_agent(ORG, agent_id, change)

    assert seen == ["tested", "theirs"]
    assert (after.agent.name, after.agent.description) == ("theirs", "mine")
    assert after.agent.version == 3


def test_update_agent_gives_up_when_others_are_always_faster(catalog: Catalog) -> None:
    agent_id = catalog.agents.create_agent(ORG, a_new_agent()).agent.id

    def change(view: AgentView) -> AgentChange:
        catalog.agents.update_agent(ORG, agent_id, renamed("theirs"))
        return AgentChange(agent=replace(view.agent, name="mine"))

    with pytest.raises(Conflict, match="nothing was changed"):
        catalog.agents.update_agent(ORG, agent_id, change)

    assert catalog.agents.load_agent(ORG, agent_id).agent.name == "theirs"


def test_every_change_a_step_must_notice_raises_a_version(catalog: Catalog) -> None:
    view = catalog.agents.create_agent(
        ORG, a_new_agent(a_block("human"), tool_names=("memory_insert",))
    )
    agent_id, tool_id = view.agent.id, view.tools[0].id
    other = catalog.blocks.insert_block(ORG, a_block("other"))
    rule = ToolRule(type="requires_approval", tool_name="memory_insert")

    versions = [
        catalog.agents.link_block(ORG, agent_id, other.id, attach=True).agent.version,
        catalog.agents.link_block(ORG, agent_id, other.id, attach=False).agent.version,
        catalog.agents.set_tool_approval(ORG, agent_id, rule, requires_approval=True).agent.version,
        catalog.agents.link_tool(ORG, agent_id, tool_id, attach=False).agent.version,
        catalog.agents.update_agent(ORG, agent_id, renamed("x")).agent.version,
    ]
    assert versions == [2, 3, 4, 5, 6]

    target = BlockTarget(agent_id=agent_id, label="human")
    changes: list[dict[str, Any]] = [
        {"value": "v"},
        {"limit": 50},
        {"description": "d"},
        {"read_only": True},
        {"label": "human"},  # no change
        {"tags": ["t"], "metadata": {"k": 1}, "hidden": True},  # nothing an agent sees
    ]
    assert [catalog.blocks.update_block(ORG, target, c, API).version for c in changes] == [
        2,
        3,
        4,
        5,
        5,
        5,
    ]


def test_delete_agent_takes_its_own_archives_and_leaves_shared_ones(
    database: Database, catalog: Catalog
) -> None:
    owner = catalog.agents.create_agent(ORG, a_new_agent()).agent.id
    friend = catalog.agents.create_agent(ORG, a_new_agent()).agent.id
    own, shared = new_id("archive"), new_id("archive")
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        for archive_id in (own, shared):
            conn.execute(
                "insert into remanence.archives (id, org_id, name) values (%s, %s, 'a')",
                [archive_id, ORG],
            )
            conn.execute(
                "insert into remanence.archives_agents (org_id, agent_id, archive_id, is_owner)"
                " values (%s, %s, %s, true)",
                [ORG, owner, archive_id],
            )
        conn.execute(
            "insert into remanence.archives_agents (org_id, agent_id, archive_id)"
            " values (%s, %s, %s)",
            [ORG, friend, shared],
        )

    catalog.agents.delete_agent(ORG, owner)

    left = value(
        database.admin_uri,
        "select jsonb_agg(id) from remanence.archives where id in (%s, %s)",
        own,
        shared,
    )
    assert left == [shared]


def test_another_organization_sees_and_changes_nothing(
    database: Database, catalog: Catalog
) -> None:
    view = catalog.agents.create_agent(
        ORG, a_new_agent(a_block("human"), agent=an_agent(tags=("tagged-here",)))
    )
    agent_id, block_id = view.agent.id, view.blocks[0].id
    tool_id = catalog.tools.list_tools(ORG, ToolFilter(), Page())[0].id
    identity = IdentityWrite(
        columns={
            "identifier_key": new_id("user"),
            "name": "Bob",
            "identity_type": "user",
            "properties": [],
        },
        block_ids=(block_id,),
    )
    identity_id = catalog.identities.write_identity(ORG, new_id("identity"), identity, "create").id
    own = catalog.identities
    stranger = OrgId(new_id("org"))
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute("insert into remanence.organizations values (%s, 'Stranger')", [stranger])

    calls = [
        lambda: catalog.agents.load_agent(stranger, agent_id),
        lambda: catalog.agents.load_prompt_state(stranger, agent_id),
        lambda: catalog.agents.update_agent(stranger, agent_id, renamed("stolen")),
        lambda: catalog.agents.delete_agent(stranger, agent_id),
        lambda: catalog.agents.link_block(stranger, agent_id, block_id, attach=False),
        lambda: catalog.agents.link_tool(stranger, agent_id, tool_id, attach=True),
        lambda: catalog.blocks.load_block(stranger, block_id),
        lambda: catalog.blocks.load_agent_block(stranger, agent_id, "human"),
        lambda: catalog.blocks.update_block(
            stranger, BlockTarget(block_id=block_id), {"value": "stolen"}, API
        ),
        lambda: catalog.block_versions.undo(stranger, block_id, None, API),
        lambda: catalog.block_versions.list_versions(stranger, block_id, before=None, limit=9),
        lambda: catalog.block_versions.merge(
            stranger, BlockTarget(block_id=block_id), {"value": "stolen"}, API, base_version=1
        ),
        lambda: catalog.passage_versions.delete_passage(stranger, new_id("passage"), API),
        lambda: catalog.blocks.delete_block(stranger, block_id),
        lambda: catalog.tools.load_tool(stranger, tool_id),
        lambda: catalog.agents.create_agent(stranger, a_new_agent(block_ids=(block_id,))),
        lambda: catalog.agents.create_agent(stranger, a_new_agent(identity_ids=(identity_id,))),
        lambda: own.load_identity(stranger, identity_id),
        lambda: own.delete_identity(stranger, identity_id),
        lambda: own.link_identity(stranger, identity_id, agent_id=agent_id, attach=True),
        lambda: own.link_identity(stranger, identity_id, block_id=block_id, attach=False),
        lambda: own.write_identity(stranger, identity_id, identity, "update"),
        lambda: own.write_identity(stranger, new_id("identity"), identity, "upsert"),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()

    assert catalog.agents.list_agents(stranger, AgentFilter(), Page(), ()) == []
    assert catalog.blocks.list_blocks(stranger, BlockFilter(), Page()) == []
    assert catalog.list_tags(stranger, Page(), None) == []
    with pytest.raises(InvalidRequest):
        catalog.agents.list_agents(stranger, AgentFilter(), Page(after=agent_id), ())
    assert catalog.agents.load_agent(ORG, agent_id) == view


def test_seed_is_repeatable_and_follows_the_code(fresh_database: Database) -> None:
    with psycopg.connect(fresh_database.owner_uri, autocommit=True) as owner:
        seed(owner)
        ids = owner.execute("select id from remanence.tools order by name").fetchall()
        unchanged = seed(owner)
        owner.execute("update remanence.tools set description = 'old' where name = 'send_message'")
        mended = seed(owner)
        same_ids = owner.execute("select id from remanence.tools order by name").fetchall()

    assert (unchanged, mended) == (0, 1)
    assert same_ids == ids
