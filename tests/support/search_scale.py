"""An organization of any size in which one agent holds a fifth, and what searches in it cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from support.meter import backend_cpu_s
from support.pg_proxy import CountingProxy

from remanence.core.archival import NewText, PassageQuery, VectorOf
from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.db.archives import Archives
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries
from remanence.db.recall import PostgresRecall
from remanence.evaluation.measure import percentile

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

MODEL = "scripted/vectors"
DIMENSIONS = 128
# What everybody has but the agent that holds a fifth, of messages and of passages each.
ROWS_OF_OTHERS = 200
GIANT, OTHER = "agent-0", "agent-1"
TABLES = ("messages", "message_vectors", "passages", "passage_vectors")

# Words as frequent as in speech: of 5,000, a quarter of what is said are the commonest hundred.
# Every third passage has a tag; a row is said every 40 seconds.
_CROWD = """
create function pg_temp.words(seed integer) returns text language sql volatile as $$
    select string_agg('word' || (power(random(), 3) * 5000)::integer, ' ')
    from generate_series(1, 12 + seed * 0)
$$;
create function pg_temp.direction(seed integer) returns real[] language sql volatile as $$
    select array_agg((random() - 0.5)::real) from generate_series(1, {dimensions} + seed * 0)
$$;
insert into remanence.agents (
    id, org_id, name, agent_type, system, model, embedding, context_window_limit)
select 'agent-' || n, '{org}', 'Ann', 'letta_v1_agent', '', 'scripted/model', '{model}', 32000
from generate_series(0, {others}) as n;
create temporary table owners as
select n, case when n % 5 = 0 then 0 else 1 + n / 5 % {others} end as owner,
    pg_temp.words(n) as text
from generate_series(1, {rows}) as n;
insert into remanence.conversations (id, org_id, agent_id, is_default, next_seq)
select 'conv-' || owner, '{org}', 'agent-' || owner, true, 1 + count(*) from owners group by owner;
insert into remanence.archives (id, org_id, name, embedding)
select 'archive-' || n, '{org}', 'notes', '{model}' from generate_series(0, {others}) as n;
insert into remanence.archives_agents (org_id, agent_id, archive_id, is_owner)
select '{org}', 'agent-' || n, 'archive-' || n, true from generate_series(0, {others}) as n;
insert into remanence.messages (
    conversation_id, seq, id, org_id, agent_id, role, parts, created_at)
select 'conv-' || owner, n, 'message-' || n, '{org}', 'agent-' || owner,
    case n % 2 when 1 then 'user' else 'assistant' end,
    jsonb_build_array(jsonb_build_object('type', 'text', 'text', text)),
    now() - n * interval '40 s'
from owners;
insert into remanence.passages (id, org_id, archive_id, text, tags, created_at)
select 'passage-' || n, '{org}', 'archive-' || owner, text,
    case when n % 3 = 0 then array['kept'] else '{{}}' end, now() - n * interval '40 s'
from owners;
create temporary table directions as
select n, owner, remanence.to_halfvec(pg_temp.direction(n)) as direction from owners;
insert into remanence.message_vectors (
    message_id, org_id, agent_id, model, dimensions, embedding)
select 'message-' || n, '{org}', 'agent-' || owner, '{model}', {dimensions}, direction
from directions;
insert into remanence.passage_vectors (
    passage_id, org_id, archive_id, model, dimensions, embedding)
select 'passage-' || n, '{org}', 'archive-' || owner, '{model}', {dimensions}, direction
from directions;
"""
# As remanence.lexemes for texts of such words only, at a fifth of its time.
_QUICK_LEXEMES = """
create or replace function remanence.lexemes(content text) returns tsvector
language sql immutable parallel safe
as $$
    select array_to_tsvector(array_agg(form.lexeme))
    from string_to_table(content, ' ') as said (word)
    cross join lateral (values (said.word), ('=' || said.word)) as form (lexeme)
$$
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCost:
    """Each search of one owner: time as the caller sees it and on the backend's CPU, and pages of
    8 kB and round trips that it takes."""

    p50_ms: float
    p95_ms: float
    cpu_ms: float
    pages: int
    round_trips: float


def fill(uri: str, rows: int) -> float:
    """Fill a database with `rows` messages and as many passages, all with vectors: seconds."""
    started = time.monotonic()
    others = max(1, rows * 4 // 5 // ROWS_OF_OTHERS)
    crowd = _CROWD.format(org=ORG, model=MODEL, dimensions=DIMENSIONS, rows=rows, others=others)
    with psycopg.connect(uri, autocommit=True) as conn:
        own = conn.execute("select pg_get_functiondef('remanence.lexemes(text)'::regprocedure)")
        (definition,) = own.fetchall()[0]
        conn.execute(_QUICK_LEXEMES.encode())
        conn.execute(crowd.encode())
        conn.execute(definition.encode())
        alike = conn.execute(
            "select bool_and(lexemes = remanence.lexemes(text)) from remanence.passages"
            " where id in (select 'passage-' || n from generate_series(1, 100) as n)"
        )
        assert alike.fetchall() == [(True,)]
        for table in (*TABLES, "agents", "conversations", "archives", "archives_agents"):
            conn.execute(f"vacuum analyze remanence.{table}".encode())
    return time.monotonic() - started


def question(number: int) -> tuple[str, VectorOf]:
    """The same questions in every run: a common word, two rarer ones, and a direction."""
    values = tuple(
        ((number * 7919 + place * 104729) % 1000) / 1000 - 0.5 for place in range(DIMENSIONS)
    )
    query = f"word{number % 40} word{200 + 13 * number} word{1500 + 31 * number}"
    return query, VectorOf(values=values, model=MODEL)


def cost_of(database: Database, table: str, agent_id: str, *, rounds: int) -> SearchCost:
    """What searches of one owner cost.

    Args:
        database: filled.
        table: messages or passages.
        agent_id: the owner.
        rounds: how many searches; one more goes before them and is not counted.
    """
    proxy = CountingProxy(database.app_uri)
    source = OneConnection(proxy.uri)
    recall = PostgresRecall(Queries(source))
    backend = source.run(lambda conn: conn.info.backend_pid)
    seconds: list[float] = []
    _search(recall, table, agent_id, 0)
    pages, cpu_s = _pages_read(database), backend_cpu_s(backend)
    proxy.traffic.reset()
    for number in range(1, rounds + 1):
        started = time.perf_counter()
        _search(recall, table, agent_id, number)
        seconds.append(time.perf_counter() - started)
    cost = SearchCost(
        p50_ms=1000 * percentile(seconds, 0.5),
        p95_ms=1000 * percentile(seconds, 0.95),
        cpu_ms=1000 * (backend_cpu_s(backend) - cpu_s) / rounds,
        round_trips=proxy.traffic.round_trips / rounds,
        pages=(_pages_read(database) - pages) // rounds,
    )
    source.close()
    proxy.close()
    return cost


def _search(recall: PostgresRecall, table: str, agent_id: str, number: int) -> None:
    query, vector = question(number)
    if table == "passages":
        recall.find_passages(ORG, PassageQuery(query=query, agent_id=agent_id, vector=vector))
        return
    recall.search_messages(
        ORG,
        agent_id=agent_id,
        query=query,
        vector=vector,
        roles=(),
        limit=10,
        start=None,
        end=None,
    )


def _pages_read(database: Database) -> int:
    """Pages that were read of this schema's tables and indexes, from memory or not, until now."""
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        time.sleep(1.2)  # a backend tells its counts once a second, and when it is idle
        row = conn.execute(
            "select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read, 0)"
            " + coalesce(idx_blks_hit, 0) + coalesce(toast_blks_read, 0)"
            " + coalesce(toast_blks_hit, 0)) from pg_statio_user_tables"
            " where schemaname = 'remanence'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def vector_recall(database: Database, agent_id: str, *, tags: tuple[str, ...] = ()) -> float:
    """The share of the ten passages that the search ranks nearest which are no further away than
    the tenth by a plain scan: of equals, any may be found."""
    source = OneConnection(database.app_uri)
    recall = PostgresRecall(Queries(source))
    near, rounds = 0, 5
    for number in range(rounds):
        vector = question(number)[1]
        wanted = PassageQuery(query="", agent_id=agent_id, vector=vector, tags=tags, limit=200)
        ranked = [
            hit.record.passage.id
            for hit in recall.find_passages(ORG, wanted)
            if hit.vector_rank is not None and hit.vector_rank <= 10
        ]
        distances = _distances(database, agent_id, vector, tags)
        tenth = sorted(distances.values())[:10][-1]
        near += sum(distances[passage_id] <= tenth for passage_id in ranked)
    source.close()
    return near / (10 * rounds)


def _distances(
    database: Database, agent_id: str, vector: VectorOf, tags: tuple[str, ...]
) -> dict[str, float]:
    with psycopg.connect(database.app_uri) as conn:
        conn.execute("select remanence.enter_org(%s)", [ORG])
        rows = conn.execute(
            "select passage.id, remanence.cosine_distance(stored.embedding,"
            " remanence.to_halfvec(%s::real[])) from remanence.passages as passage"
            " join remanence.passage_vectors as stored on stored.passage_id = passage.id"
            " where passage.archive_id = %s and passage.tags @> %s",
            [list(vector.values), agent_id.replace("agent", "archive"), list(tags)],
        ).fetchall()
    return dict(rows)


def sizes_mb(uri: str) -> Generator[tuple[str, float, float]]:
    """Name of each table, its size, and that of its indexes, in MB."""
    with psycopg.connect(uri) as conn:
        for table in TABLES:
            row = conn.execute(
                "select pg_table_size(t), pg_indexes_size(t) from to_regclass(%s) as t",
                [f"remanence.{table}"],
            ).fetchone()
            assert row is not None
            yield table, row[0] / 2**20, row[1] / 2**20


def insert_ms(uri: str, count: int, *, batch: int) -> tuple[float, float]:
    """One more passage with its vector in the largest archive, `batch` at a time, as
    `archives.passages.create_many` stores them: milliseconds, and those on the backend's CPU."""
    source = OneConnection(uri)
    archives = Archives(Queries(source))
    backend = source.run(lambda conn: conn.info.backend_pid)
    texts: list[NewText] = []
    for number in range(count):
        query, vector = question(number)
        new_id = f"passage-late-{batch}-{number}"
        texts.append(NewText(id=new_id, text=f"{query} {query}", vector=vector))
    started, cpu_s = time.perf_counter(), backend_cpu_s(backend)
    for start in range(0, count, batch):
        archives.fill_archive(ORG, "archive-0", texts[start : start + batch])
    wall_s, cpu_s = time.perf_counter() - started, backend_cpu_s(backend) - cpu_s
    source.close()
    return 1000 * wall_s / count, 1000 * cpu_s / count
