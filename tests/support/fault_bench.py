"""The world around workers that die: clients that send again, doorbells, time, and what is left.

A `Play` is what clients do with one agent (say something, answer an approval, ...). A `Bench`
plays it with workers as processes, kills one of them on the way, lets leases run out and the
sweep ring, and takes a `Snapshot` of all that is stored in the end.
"""

from __future__ import annotations

import re
import signal
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row
from support.fault_jobs import Worker
from support.nursery import Job
from support.world import a_block, an_agent, attach_block, new_id

from remanence.core.ids import DEFAULT_ORG_ID
from remanence.engine.sweep import HANGING_AFTER_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from support.nursery import Nursery

Act = dict[str, Any]
# The number of a worker, and of one of the points it passes.
Place = tuple[int, int]
NOBODY = (-1, 0)
# More bells than any play needs: a run that never comes to rest is a failure, not a hang.
MOST_BELLS = 60
_IDS = re.compile(r"\b(message|passage|block|step|run)-[0-9a-f-]{36}\b")
_TIMES = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:]+[^\"]*")


@dataclass(frozen=True)
class Play:
    """What clients do, and the agent they do it with.

    `points` are the places that workers pass when nothing goes wrong, in order.
    """

    name: str
    acts: tuple[Act, ...]
    points: str
    tools: tuple[str, ...] = ("memory_insert", "conversation_search")
    columns: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1e9


class Postman:
    """Delivers the bells of workers: each once, in order. Others lose, double or delay them."""

    def take(self, bells: deque[str]) -> list[str]:
        """Some bells out of the queue, to be heard now."""
        return [bells.popleft()]

    def rest(self) -> list[str]:
        """What is heard when everything has come to rest."""
        return []


def last_places(reached: Sequence[tuple[Place, str]]) -> list[tuple[Place, str]]:
    """Of what a play has reached, where each point is passed for the last time."""
    last = {point: place for place, point in reached}
    return [(place, point) for place, point in reached if last[point] == place]


@dataclass
class Cast:
    """The agents of one performance: they share the block `team`."""

    agents: list[str]
    conversations: list[str]


class Bench:
    """Plays with worker processes that connect through `worker_uri`."""

    def __init__(self, nursery: Nursery | None, admin_uri: str, worker_uri: str) -> None:
        self.nursery = nursery
        self.admin_uri = admin_uri
        self.worker_uri = worker_uri
        self.admin = psycopg.connect(admin_uri, autocommit=True, row_factory=dict_row)
        self.admin.execute(_CUSTOM_TOOL, [new_id("tool"), DEFAULT_ORG_ID])
        self._templates: dict[str, str] = {}
        self.workers = [Worker(worker_uri, skew_s=skew_s) for skew_s in (30.0, -30.0)]
        self.postman = Postman()
        self.on_stage = Cast([], [])
        self.jobs: list[Job] = []
        self.bells: deque[str] = deque()
        self.swept: deque[str] = deque()
        self.struck_job = -1
        self.die_at = 0
        self.how = "kill"
        self.struck: str | None = None
        self.then: Callable[[], None] = lambda: None

    def hire_behind(self, uri: str) -> None:
        """One more worker of this process, which connects through `uri`."""
        self.workers.append(Worker(uri))

    def close(self) -> None:
        for worker in self.workers:
            worker.world.close()
        self.admin.close()

    # --- one performance ---

    def cast(self, play: Play) -> Cast:
        """Two fresh agents for a play, copied from the first that were made for it."""
        if play.name not in self._templates:
            self._templates[play.name] = an_agent(
                self.admin_uri, blocks={}, tools=play.tools, **play.columns
            )
        cast = Cast([new_id("agent"), new_id("agent")], [new_id("conv"), new_id("conv")])
        with self.admin.pipeline():
            team = a_block(self.admin, "team", "start")
            for agent_id, conversation_id in zip(cast.agents, cast.conversations, strict=True):
                human = a_block(self.admin, "human", "Unknown.")
                copy = {"new": agent_id, "old": self._templates[play.name], "conv": conversation_id}
                self.admin.execute(_COPY_AGENT, copy)
                attach_block(self.admin, agent_id, human, "human", 0)
                attach_block(self.admin, agent_id, team, "team", 1)
        return cast

    def dismiss(self, cast: Cast) -> None:
        """Delete the agents, so that no later sweep finds them."""
        self.admin.execute("delete from remanence.agents where id = any(%s)", [cast.agents])

    def play(self, play: Play, *, strike: Place = NOBODY, how: str = "kill") -> Snapshot:
        """Do everything; `strike` names the worker that is struck, and at which of its points."""
        self.raise_curtain(play, strike=strike, how=how)
        for number, act in enumerate(play.acts):
            self.act(play, self.on_stage, {"key": f"key-{number}", **act})
        snapshot = self.snapshot(self.on_stage)
        self.dismiss(self.on_stage)
        return snapshot

    def raise_curtain(self, play: Play, *, strike: Place = NOBODY, how: str = "kill") -> None:
        """Fresh agents, no bell yet, and nobody struck."""
        self.on_stage = self.cast(play)
        self.jobs, self.bells = [], deque()
        (self.struck_job, self.die_at), self.how, self.struck = strike, how, None
        self.then = lambda: self.settle(play)

    def act(self, play: Play, cast: Cast, act: Act) -> None:
        """What one client does, until everything that follows from it has come to rest.

        A client whose request was not answered sends it again, with the same key.
        """
        spec = dict(act)
        who, rest = spec.pop("who", 0), spec.pop("rest", True)
        spec |= {"agent_id": cast.agents[who], "conversation_id": cast.conversations[who]}
        for answer in {"approve", "returns"} & spec.keys():
            calls = self._waiting_calls(cast, who)
            spec[answer] = dict(zip(calls, spec[answer], strict=True))
        if self.work(spec):
            self.settle(play)
            self.work(spec)
        if rest:
            self.settle(play)

    def settle(self, play: Play) -> None:
        """Answer bells, and sweep when none is left, until a sweep rings no more."""
        for _ in range(MOST_BELLS):
            if self.bells:
                for conversation_id in self.postman.take(self.bells):
                    self.advance(conversation_id)
            elif self.swept:
                self.advance(self.swept.popleft())
            else:
                self.time_passes()
                if not self.sweep(play):
                    break
        else:
            raise AssertionError("the bells never end")
        for conversation_id in self.postman.rest():
            self.advance(conversation_id)

    def advance(self, conversation_id: str) -> None:
        self.work({"do": "advance", "conversation_id": conversation_id})

    def sweep(self, play: Play) -> bool:
        """Whether a sweep found anything to do. What it rings for is heard."""
        deps = self.workers[0].world.deps
        due = deps.store.list_due(limit=1, hanging_after_ms=HANGING_AFTER_MS, share=play.share)
        assert deps.facts is not None
        if not due and not deps.facts.list_facts_due(limit=1):
            return False
        heard = len(self.bells)
        died = self.work({"do": "sweep", "share": play.share})
        while len(self.bells) > heard:
            self.swept.append(self.bells.pop())
        self.time_passes()  # whose claim was lost on its way has to wait for its end
        return died or bool(self.swept) or bool(deps.facts.list_facts_due(limit=1))

    def work(self, spec: Act) -> bool:
        """Run one worker to its end; returns whether it died on the way."""
        job = self._strike(spec) if len(self.jobs) == self.struck_job else self._peaceful(spec)
        assert job.status in (0, 9, -9), job.lines
        self.bells += job.said("bell")
        return job.status != 0

    def _peaceful(self, spec: Act) -> Job:
        """A worker of this process that nothing happens to."""
        job = Job(len(self.jobs), threading.Condition(), status=0)
        self.jobs.append(job)
        worker = self.workers[len(self.jobs) % 2]
        worker.do(spec, lambda **said: job.lines.append(said))
        return job

    def _strike(self, spec: Act) -> Job:
        """A process that is struck at the `die_at`-th point it passes.

        When it is dead or asleep, `then` happens: by default others do its work. A sleeper wakes
        up after that, and goes on as if it were alone.
        """
        assert self.nursery
        job = self.nursery.run(
            {"uri": self.worker_uri, "skew_s": -30, "die_at": self.die_at, "how": self.how, **spec}
        )
        self.jobs.append(job)
        if self.how == "stop":
            job.wait_until(lambda: len(job.said("reach")) >= self.die_at)
            job.wait_until_stopped()
            self.then()
            job.signal(signal.SIGCONT)
        job.wait()
        if self.how == "kill":
            self.then()
        self.struck = job.said("reach")[self.die_at - 1]
        return job

    def time_passes(self) -> None:
        """Leases and claims of a dead worker run out, and what hangs has been hanging for long."""
        with self.admin.pipeline():
            self.admin.execute(
                "update remanence.fact_progress set claimed_until = clock_timestamp()"
                " - interval '1 s' where claimed_until is not null"
            )
            self.admin.execute(
                "update remanence.conversations set compaction_until = clock_timestamp()"
                " - interval '1 s' where compaction_until is not null"
            )
            self.admin.execute(
                "update remanence.conversations set lease_until = clock_timestamp()"
                " - interval '1 s' where lease_until is not null"
            )
            self.admin.execute(
                "update remanence.runs set created_at = created_at - interval '1 min'"
                " where status in ('created', 'running')"
            )
            self.admin.execute(
                "update remanence.runs set callback_due_at = clock_timestamp() - interval '1 s'"
                " where callback_due_at is not null"
            )

    @property
    def reached(self) -> list[tuple[Place, str]]:
        """The points that workers have passed, in order: ((worker, its how many-eth), point)."""
        return [
            ((number, place), point)
            for number, job in enumerate(self.jobs)
            for place, point in enumerate(job.said("reach"), start=1)
        ]

    @property
    def asked(self) -> int:
        """How often a model was called."""
        return sum(len(job.said("asked")) for job in self.jobs)

    def told(self, what: str) -> Counter[str]:
        """What workers said to the outside: an `effect` of a custom tool, a caller `called`."""
        return Counter(said for job in self.jobs for said in job.said(what))

    def _waiting_calls(self, cast: Cast, who: int) -> list[str]:
        row = self.admin.execute(
            "select pending_call_ids from remanence.conversations where id = %s",
            [cast.conversations[who]],
        ).fetchone()
        assert row is not None
        return list(row["pending_call_ids"])

    # --- what is left ---

    def snapshot(self, cast: Cast) -> Snapshot:
        """All that is stored of these agents, without ids and times."""
        row = self.admin.execute(_EVERYTHING, {"agents": cast.agents}).fetchone()
        assert row is not None
        found: dict[str, list[list[Any]]] = row["everything"]
        for message in found["messages"]:
            message[-1] = _plain(message[-1])
        return Snapshot(
            **{name: found[name] for name in _STORED},
            problems=[f"{name}: {each}" for name in _NEVER for each in found[name]],
        )


@dataclass(frozen=True)
class Snapshot:
    """What is stored in the end, and in `problems` what must never be, whatever was played."""

    messages: list[Any]
    blocks: list[Any]
    passages: list[Any]
    runs: list[Any]
    steps: list[Any]
    conversations: list[Any]
    summaries: list[Any]
    problems: list[str]


def _plain(parts: list[dict[str, Any]]) -> str:
    text = " | ".join(
        f"{part['type']}:{part.get('name', '')}:"
        f"{part.get('text') or part.get('arguments') or part.get('approve', '')}"
        for part in parts
    )
    return _TIMES.sub("<time>", _IDS.sub("<id>", text))


_CUSTOM_TOOL = """
insert into remanence.tools (id, org_id, name, description, tool_type, parameters, source_code)
values (%s, %s, 'send_mail', 'Sends.', 'custom',
    '{"type": "object", "properties": {"to": {"type": "string"}}}', 'source')
on conflict (org_id, name) do nothing
"""
_COPY_AGENT = """
with copied as (
    insert into remanence.agents (
        id, org_id, name, agent_type, system, model, context_window_limit, tool_rules,
        compaction_settings)
    select %(new)s, org_id, name, agent_type, system, model, context_window_limit, tool_rules,
        compaction_settings
    from remanence.agents where id = %(old)s
    returning org_id),
tooled as (
    insert into remanence.agents_tools (org_id, agent_id, tool_id, position)
    select org_id, %(new)s, tool_id, position from remanence.agents_tools where agent_id = %(old)s)
insert into remanence.conversations (id, org_id, agent_id, is_default)
select %(conv)s, org_id, %(new)s, true from copied
"""
_STORED = {
    "messages": """
        select array_position(%(agents)s, agent_id) as agent, seq, role, parts
        from remanence.messages where agent_id = any(%(agents)s) order by agent, seq""",
    "blocks": """
        select array_position(%(agents)s, link.agent_id) as agent, block.label, block.value,
            block.version, (select array_agg(value order by version)
                from remanence.block_versions where block_id = block.id) as versions
        from remanence.agents_blocks as link
        join remanence.blocks as block on block.id = link.block_id
        where link.agent_id = any(%(agents)s) order by agent, block.label""",
    "passages": """
        select passage.text from remanence.passages as passage
        join remanence.archives_agents as link on link.archive_id = passage.archive_id
        where link.agent_id = any(%(agents)s) order by passage.text""",
    "runs": """
        select array_position(%(agents)s, agent_id) as agent, ord, status, stop_reason
        from remanence.runs where agent_id = any(%(agents)s) order by agent, ord""",
    "steps": """
        select array_position(%(agents)s, step.agent_id) as agent, run.ord, step.step_no,
            step.status, step.called_tools
        from remanence.steps as step join remanence.runs as run on run.id = step.run_id
        where step.agent_id = any(%(agents)s) order by agent, run.ord, step.step_no""",
    "conversations": """
        select array_position(%(agents)s, agent_id) as agent, next_seq, next_ord,
            window_from_seq, cardinality(pending_call_ids)
        from remanence.conversations where agent_id = any(%(agents)s) order by agent, created_at""",
    "summaries": """
        select array_position(%(agents)s, agent_id) as agent, level, from_seq, to_seq,
            parent_id is null as is_root
        from remanence.summaries where agent_id = any(%(agents)s)
        order by agent, from_seq, level, is_root""",
}
_NEVER = {
    "a run is not over": """
        select id, status from remanence.runs
        where agent_id = any(%(agents)s) and status in ('created', 'running')""",
    "a lease is held": """
        select id, lease_token from remanence.conversations
        where agent_id = any(%(agents)s) and (lease_token is not null or claims > 0)""",
    "a gap or a double in seq": """
        select conversation_id, count(*), max(seq) from remanence.messages
        where agent_id = any(%(agents)s) group by conversation_id
        having count(*) <> max(seq) or min(seq) <> 1""",
    "next_seq is not the next": """
        select conv.id, conv.next_seq from remanence.conversations as conv
        where conv.agent_id = any(%(agents)s) and conv.next_seq <> 1 + (
            select count(*) from remanence.messages where conversation_id = conv.id)""",
    "a message is not in the order of time": """
        select id, seq from (
            select id, seq, created_at, lag(created_at) over (
                partition by conversation_id order by seq) as before
            from remanence.messages where agent_id = any(%(agents)s)) as paired
        where created_at < before""",
    "messages out of view are not covered once": """
        select conv.id from remanence.conversations as conv
        where conv.agent_id = any(%(agents)s) and conv.window_from_seq - 1 <> (
            select coalesce(sum(to_seq - from_seq + 1), 0) from remanence.summaries
            where conversation_id = conv.id and parent_id is null)""",
    "a block is not its newest version": """
        select block.id from remanence.blocks as block
        join remanence.agents_blocks as link on link.block_id = block.id
        where link.agent_id = any(%(agents)s) and block.version > 1 and not exists (
            select from remanence.block_versions as newest
            where newest.block_id = block.id and newest.version = block.version
                and newest.value = block.value)""",
    "a caller was not told": """
        select id, callback_tries from remanence.runs
        where agent_id = any(%(agents)s) and callback_due_at is not null""",
    "steps of a run are not numbered": """
        select run_id from remanence.steps where agent_id = any(%(agents)s)
        group by run_id having count(*) <> max(step_no)""",
}
_EVERYTHING = (
    "select json_build_object("
    + ", ".join(
        f"'{name}', (select coalesce(json_agg((select json_agg(value) from json_each("
        f"row_to_json(found)))), '[]') from ({query}) as found)"
        for name, query in (_STORED | _NEVER).items()
    )
    + ") as everything"
).encode()
