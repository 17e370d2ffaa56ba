"""What is written finds its rows by an index, however large the tables are."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
from support.world import World, an_agent, value

from remanence.core.archival import NewText, VectorOf
from remanence.core.exchange import Reply, Text
from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.db.archives import Archives
from remanence.db.queries import Queries
from remanence.db.recall import PostgresRecall
from remanence.engine.compact import compact_now
from remanence.engine.facts import archive_facts
from remanence.engine.gaps import fill_gaps
from remanence.engine.message_vectors import embed_messages
from remanence.engine.summaries import Allowance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.pg import Database

MODEL = "scripted/vectors"
FOREVER = float("inf")
# What another agent of the same organization has of each.
OTHERS = 20_000
GROWING = ("blocks", "messages", "passages")
_OTHERS = """
insert into remanence.blocks (id, org_id, label, value, "limit")
select 'block-' || n, %(org)s, 'human', '', 100 from generate_series(1, %(others)s) as n;
insert into remanence.archives (id, org_id, name) values ('archive-0', %(org)s, 'other');
insert into remanence.passages (id, org_id, archive_id, text, tags)
select 'passage-other-' || n, %(org)s, 'archive-0', 'tea', '{}'
from generate_series(1, %(others)s) as n;
insert into remanence.messages (conversation_id, seq, id, org_id, agent_id, role, parts)
select conv.id, n, 'message-' || n, %(org)s, conv.agent_id, 'user', '[]'
from remanence.conversations as conv, generate_series(1, %(others)s) as n
where conv.agent_id = %(agent_id)s;
update remanence.conversations set next_seq = %(others)s + 1 where agent_id = %(agent_id)s;
analyze remanence.blocks, remanence.passages, remanence.messages;
"""
FACTS = {"facts": [{"text": "Ana lives in Lisbon.", "kind": "profile", "sources": ["m1"]}]}


def saying(text: str) -> Reply:
    return Reply(parts=(Text(text=text),), finish="stop")


def embed(_handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
    assert deadline
    return [[1.0, 0.5] for _ in texts]


def rows_read(database: Database) -> dict[str, int]:
    """How many rows of each growing table were read until now."""
    time.sleep(1.2)  # a backend tells its counts once a second, or when it ends
    with psycopg.connect(database.admin_uri) as conn:
        rows = conn.execute(
            "select relname, seq_tup_read + idx_tup_fetch from pg_stat_user_tables"
            " where schemaname = 'remanence' and relname = any(%s)",
            [list(GROWING)],
        ).fetchall()
    return dict(rows)


def test_what_is_written_costs_the_same_whatever_others_have(fresh_database: Database) -> None:
    agent_id = an_agent(
        fresh_database.admin_uri,
        blocks={"human": "Unknown."},
        tools=("memory_insert", "archival_memory_insert"),
        embedding=MODEL,
        compaction_settings={"archive_facts": True},
    )
    other_id = an_agent(fresh_database.admin_uri)
    with psycopg.connect(fresh_database.admin_uri, cursor_factory=psycopg.ClientCursor) as conn:
        conn.execute(_OTHERS, {"org": ORG, "others": OTHERS, "agent_id": other_id})
        # where an index can be used it is, as in tables that are larger still
        for setting in ("enable_seqscan = off", "random_page_cost = 1.1"):
            conn.execute(f'alter database "{conn.info.dbname}" set {setting}'.encode())
    before = rows_read(fresh_database)

    write_everything(fresh_database, agent_id)

    after = rows_read(fresh_database)
    assert {
        table: after[table] - before[table] < OTHERS // 4 for table in GROWING
    } == dict.fromkeys(GROWING, True), (before, after)


def write_everything(database: Database, agent_id: str) -> None:
    """A step with edits, passages by routes, a summary, a fact, and vectors of all of it."""
    world = World.over(database.app_uri)
    queries = Queries(world.connections)
    world.say(
        agent_id,
        'I am Ana, in Lisbon. [[script: call memory_insert {"label":"human","new_string":"Ana"}]]'
        ' [[and: call archival_memory_insert {"content":"Ana likes tea."}]] [[then: say noted]]',
    )
    world.say(agent_id, "Thank you. [[script: say well]]")
    text = NewText(id="passage-1", text="tea", vector=VectorOf(values=(1.0, 0.0), model=MODEL))
    (kept,) = PostgresRecall(queries).add_passages(
        ORG, agent_id, [text], new_archive_id="archive-1"
    )
    later = replace(text, id="passage-2", vector=None)
    Archives(queries).fill_archive(ORG, kept.passage.archive_id, [later])
    own = "select id from remanence.conversations where agent_id = %s"
    thread = value(database.admin_uri, own, agent_id)
    compact_now(world.deps, ORG, thread, lambda settings: replace(settings, mode="all"))
    reader = World.over(database.app_uri, [saying(json.dumps(FACTS))])
    assert archive_facts(reader.deps, Allowance(calls=9, tokens=99_999), deadline=FOREVER) == 1
    embedder: Any = SimpleNamespace(embed=embed)
    deps = replace(world.deps, models=embedder)
    assert embed_messages(deps, deadline=FOREVER) > 0
    assert fill_gaps(deps, deadline=FOREVER) > 0
    reader.close()
    world.close()
