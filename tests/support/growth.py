"""Conversations that are already long, made by SQL, and what one more step in them costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from support.meter import Meter
from support.pg_proxy import CountingProxy
from support.world import World, an_agent, ended

from remanence.core.exchange import Reply, Text

if TYPE_CHECKING:
    from support.meter import Cost

# In view at the end of every conversation, so that what is measured is what lies behind it.
IN_VIEW = 10
SAID = "I like my tea with milk, and I will be in Lisbon until the end of the month."
_PAST = """
with talk as (
    select id, org_id, agent_id from remanence.conversations where agent_id = %(agent)s),
run as (
    insert into remanence.runs (
        id, org_id, agent_id, conversation_id, ord, status, stop_reason, options, input,
        started_at, completed_at)
    select 'run-' || talk.agent_id || '-' || n, talk.org_id, talk.agent_id, talk.id, n,
        'completed', 'end_turn', '{}', '[]', now(), now()
    from talk, generate_series(1, %(count)s / 2) as n),
message as (
    insert into remanence.messages (
        conversation_id, seq, id, org_id, agent_id, run_id, step_id, role, parts, tokens,
        created_at)
    select talk.id, n, 'message-' || talk.agent_id || '-' || n, talk.org_id, talk.agent_id,
        'run-' || talk.agent_id || '-' || (n + 1) / 2, null,
        case n %% 2 when 1 then 'user' else 'assistant' end,
        jsonb_build_array(jsonb_build_object('type', 'text', 'text', %(said)s || ' ' || n)), 20,
        now() - (%(count)s - n) * interval '1 s'
    from talk, generate_series(1, %(count)s) as n),
step as (
    insert into remanence.steps (
        id, org_id, agent_id, conversation_id, run_id, step_no, lease_token, status, model,
        context_window_limit, started_at)
    select 'step-' || talk.agent_id || '-' || n, talk.org_id, talk.agent_id, talk.id,
        'run-' || talk.agent_id || '-' || n, 1, 'token', 'success', 'scripted/model', 16000, now()
    from talk, generate_series(1, %(count)s / 2) as n),
summary as (
    insert into remanence.summaries (
        id, org_id, agent_id, conversation_id, level, from_seq, to_seq, text, tokens, model)
    select 'summary-' || talk.agent_id, talk.org_id, talk.agent_id, talk.id, 0, 1,
        %(count)s - %(in_view)s, 'They talked about tea.', 10, 'extractive'
    from talk where %(count)s > %(in_view)s)
update remanence.conversations
set next_seq = %(count)s + 1, next_ord = %(count)s / 2 + 1,
    window_from_seq = greatest(1, %(count)s - %(in_view)s + 1)
where agent_id = %(agent)s
"""
_PASSAGES = """
with archive as (
    insert into remanence.archives (id, org_id, name)
    select 'archive-' || agent.id, org_id, 'kept' from remanence.agents as agent
    where id = %(agent)s returning id, org_id),
link as (
    insert into remanence.archives_agents (org_id, agent_id, archive_id, is_owner)
    select org_id, %(agent)s, id, true from archive)
insert into remanence.passages (id, org_id, archive_id, text, tags, created_at)
select 'passage-' || %(agent)s || '-' || n, archive.org_id, archive.id, %(said)s || ' ' || n,
    array['tag' || n %% 7], now() - n * interval '1 s'
from archive, generate_series(1, %(count)s) as n
"""


@dataclass(frozen=True)
class StepCost:
    """One step: what goes over the wire, and CPU."""

    statements: int
    round_trips: int
    bytes_sent: int
    bytes_received: int
    cost: Cost


def an_agent_with_a_past(admin_uri: str, *, messages: int, passages: int = 0) -> str:
    """An agent with this much history, of which the last few messages are in view."""
    agent_id = an_agent(admin_uri, blocks={"human": "Ada likes tea."})
    given = {"agent": agent_id, "count": messages, "said": SAID, "in_view": IN_VIEW}
    with psycopg.connect(admin_uri, autocommit=True) as conn:
        conn.execute(_PAST, given)
        if passages:
            conn.execute(_PASSAGES, given | {"count": passages})
        conn.execute("analyze")
    return agent_id


def cost_of_a_step(uri: str, admin_uri: str, agent_id: str, *, rounds: int) -> StepCost:
    """The mean of `rounds` steps; the window is put back before each, so that all are alike."""
    proxy = CountingProxy(uri)
    answers = [Reply(parts=(Text(text="Noted."),), finish="stop") for _ in range(rounds + 6)]
    world = World.over(proxy.uri, answers)
    with psycopg.connect(admin_uri, autocommit=True) as admin:

        def one_step() -> None:
            admin.execute(
                "update remanence.conversations set window_from_seq = greatest(1, next_seq - %s),"
                " epoch = null, epoch_seen = null where agent_id = %s",
                [IN_VIEW, agent_id],
            )
            admin.execute(
                "update remanence.summaries set to_seq = (select window_from_seq - 1"
                " from remanence.conversations where agent_id = %s) where agent_id = %s",
                [agent_id, agent_id],
            )
            assert ended(world.say(agent_id, SAID)).stop_reason == "end_turn"

        for _ in range(6):  # plans are made, and kept
            one_step()
        backend = world.connections.run(lambda conn: conn.info.backend_pid)
        proxy.traffic.reset()
        meter = Meter(admin, [backend])
        for _ in range(rounds):
            one_step()
        cost = meter.cost(rounds)
        traffic = proxy.traffic
        found = StepCost(
            statements=len(traffic.statements) // rounds,
            round_trips=traffic.round_trips // rounds,
            bytes_sent=traffic.bytes_sent // rounds,
            bytes_received=traffic.bytes_received // rounds,
            cost=cost,
        )
    world.close()
    proxy.close()
    return found


def as_row(name: str, found: StepCost) -> str:
    """One line of a table."""
    client_ms, backend_ms = (
        1000 * seconds / found.cost.count for seconds in (found.cost.client_s, found.cost.backend_s)
    )
    return (
        f"{name:>24}  {found.statements} statements  {found.round_trips} round trips"
        f"  {found.bytes_sent:6} B sent  {found.bytes_received:6} B received"
        f"  client {client_ms:5.2f} ms  Postgres {backend_ms:5.2f} ms"
    )
