"""Two workers on one conversation, claim and commit, driven through every interleaving.

Each case is an order of begin and commit of two sessions with events in between (the lease runs
out, somebody cancels, another run is queued). A small model in this file says what each call has
to answer; the database has to agree, and the history has to hold each committed step once.
"""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import pytest
from support.world import a_message, an_agent, an_order, new_id

from remanence.core.calls import BlockChanges, BlockEdit
from remanence.core.claims import BlocksMoved, Busy, Cancelled, Claimed, Committed, Idle, Known
from remanence.core.exchange import Text
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.step import Outcome, StepIds, failed
from remanence.core.types import Block, StopReason
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries
from remanence.db.store import PostgresStore
from remanence.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from support.pg import Database

    from remanence.core.types import State

Kind = Literal["ends", "goes_on", "hands_over"]
LEASE_MS = 60_000
BEGINS_AND_COMMITS = ("A.begin", "A.commit", "B.begin", "B.commit")


def differs(case: Sequence[str]) -> bool:
    """Whether an order says something that no other one does.

    A session begins before it commits; A and B are alike, so A begins first; a lease can only run
    out when there is one.
    """
    return (
        all(case.index(f"{name}.begin") < case.index(f"{name}.commit") for name in "AB")
        and case.index("A.begin") < case.index("B.begin")
        and case[0] != "expire"
    )


def cases(*events: str) -> list[tuple[str, ...]]:
    """Every order of two claims, two commits and these events."""
    orders = itertools.permutations([*BEGINS_AND_COMMITS, *events])
    return sorted({order for order in orders if differs(order)})


# --- what has to happen ---------------------------------------------------------------------


@dataclass
class ModelRun:
    """A run as the model sees it."""

    status: str = "created"
    steps: list[str] = field(default_factory=list)
    cancel_requested: bool = False
    began: bool = False


@dataclass
class Model:
    """A conversation: who holds it, and its runs in order."""

    kind: Kind
    runs: list[ModelRun] = field(default_factory=lambda: [ModelRun()])
    owner: str | None = None
    expired: bool = False
    claims: dict[str, tuple[ModelRun, int]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    @property
    def head(self) -> ModelRun | None:
        return next((run for run in self.runs if run.status in ("created", "running")), None)

    @property
    def held(self) -> bool:
        return self.owner is not None and not self.expired

    def begin(self, name: str) -> str:
        run = self.head
        if run is None:
            return "idle"
        if self.held and self.owner != name:
            return "busy"
        run.status, run.began = "running", True
        self.owner, self.expired = name, False
        self.claims[name] = (run, len(run.steps) + 1)
        return "ok"

    def commit(self, name: str) -> str:
        run, step_no = self.claims[name]
        if name in self.done:
            return "ok"
        if self.owner != name:
            return "lost"
        if run.cancel_requested:
            run.status = "cancelled"
            self._release()
            return "cancelled"
        assert step_no == len(run.steps) + 1
        run.steps.append(name)
        self.done.add(name)
        self.expired = False
        if self.kind == "ends":
            run.status = "completed"
        if self.kind != "goes_on":
            self._release()
        return "ok"

    def expire(self) -> None:
        self.expired = self.owner is not None

    def cancel(self) -> None:
        held = self.held
        for run in self.runs:
            if run.status == "running" and held:
                run.cancel_requested = True
            elif run.status in ("created", "running"):
                if run.status == "running":
                    self._release()
                run.status = "cancelled"

    def queue(self) -> None:
        self.runs.append(ModelRun())

    def _release(self) -> None:
        self.owner, self.expired = None, False


# --- what happens -----------------------------------------------------------------------------


@dataclass
class Session:
    """One worker: a connection of its own, a token of its own."""

    name: str
    store: PostgresStore
    token: str = ""
    state: State | None = None
    outcome: Outcome | None = None


@dataclass
class Table:
    """The real conversation, its two workers, and somebody from outside."""

    admin: psycopg.Connection[Any]
    sessions: dict[str, Session]
    outside: PostgresStore
    kind: Kind = "ends"
    agent_id: str = ""
    conversation_id: str = ""

    def lay(self, kind: Kind, template_agent: str) -> None:
        """A fresh conversation with one run that waits for its first step."""
        self.kind, self.agent_id = kind, template_agent
        self.conversation_id = new_id("conv")
        self.admin.execute(
            "insert into remanence.conversations (id, org_id, agent_id) values (%s, %s, %s)",
            [self.conversation_id, DEFAULT_ORG_ID, template_agent],
        )
        for session in self.sessions.values():
            session.token, session.state, session.outcome = new_id("token"), None, None
        self.queue()

    def queue(self) -> None:
        order = an_order(
            self.agent_id, "hello", conversation_id=self.conversation_id, background=True
        )
        self.outside.start_run(
            DEFAULT_ORG_ID, order, run_id=new_id("run"), lease_token="-", lease_ms=0
        )

    def begin(self, name: str) -> str:
        session = self.sessions[name]
        claim = session.store.begin_step(
            DEFAULT_ORG_ID, self.conversation_id, lease_token=session.token, lease_ms=LEASE_MS
        )
        match claim:
            case Claimed():
                session.state = claim.state
                session.outcome = an_outcome(claim.state, name, self.kind)
                return "ok"
            case Busy():
                return "busy"
            case Idle():
                return "idle"

    def commit(self, name: str) -> str:
        session = self.sessions[name]
        state, outcome = session.state, session.outcome
        assert state is not None
        assert outcome is not None
        lease_ms = LEASE_MS if self.kind == "goes_on" else 0
        try:
            committed = session.store.commit_step(
                state, outcome, lease_ms=lease_ms, new_archive_id=new_id("archive")
            )
        except LeaseLost:
            return "lost"
        if isinstance(committed, Cancelled):
            cancelled = failed(
                state,
                None,
                ids=outcome.ids,
                now=outcome.started_at,
                stop_reason=StopReason.CANCELLED,
                error=None,
            )
            ended = session.store.commit_step(
                state, cancelled, lease_ms=0, new_archive_id=new_id("archive")
            )
            assert isinstance(ended, Committed)
            return "cancelled"
        assert isinstance(committed, Committed)
        return "ok"

    def expire(self) -> None:
        self.admin.execute(
            "update remanence.conversations set lease_until = clock_timestamp() - interval '1 s'"
            " where id = %s and lease_until is not null",
            [self.conversation_id],
        )

    def cancel(self) -> None:
        self.outside.cancel_runs(DEFAULT_ORG_ID, conversation_id=self.conversation_id)


def an_outcome(state: State, name: str, kind: Kind) -> Outcome:
    ids = StepIds(
        step_id=new_id("step"),
        message_id=new_id("message"),
        tool_message_id=new_id("message"),
        notice_id=new_id("message"),
        note_id=new_id("message"),
    )
    said = replace(a_message(name, role="assistant"), id=ids.message_id, parts=(Text(text=name),))
    return Outcome(
        ids=ids,
        plan=None,
        messages=(said,),
        blocks=state.blocks,
        stop_reason=StopReason.END_TURN if kind == "ends" else None,
        started_at=datetime.now(UTC),
    )


@pytest.fixture(scope="module")
def table(database: Database) -> Generator[Table]:
    sources = [OneConnection(database.app_uri) for _ in range(3)]
    stores = [PostgresStore(Queries(source)) for source in sources]
    with psycopg.connect(database.admin_uri, autocommit=True) as admin:
        yield Table(
            admin=admin,
            sessions={
                name: Session(name, store) for name, store in zip("AB", stores, strict=False)
            },
            outside=stores[2],
        )
    for source in sources:
        source.close()


@pytest.fixture(scope="module")
def agent_id(database: Database) -> str:
    return an_agent(database.admin_uri, tools=())


def play(table: Table, model: Model, case: Sequence[str], times: int) -> None:
    """Do each thing in both worlds; what is sent is sent `times`, as after a lost answer."""
    for move in case:
        name, _, what = move.partition(".")
        match what:
            case "begin":
                wanted = model.begin(name)
                found = [table.begin(name) for _ in range(times)]
            case "commit" if name not in model.claims:
                continue
            case "commit":
                wanted = model.commit(name)
                again = "lost" if wanted == "cancelled" else wanted
                found = [table.commit(name)]
                assert [table.commit(name) for _ in range(times - 1)] in ([again], ["ok"], [])
            case _:
                getattr(model, name)()
                getattr(table, name)()
                continue
        assert set(found) == {wanted}, (case, move, found, wanted)


def finish(table: Table, model: Model) -> None:
    """Whoever comes later ends what is left: the lease runs out, a bell rings."""
    model.kind = table.kind = "ends"
    for place in itertools.count():
        model.expire()
        table.expire()
        name = f"Z{place}"
        table.sessions[name] = replace(
            table.sessions["A"], name=name, token=new_id("token"), state=None
        )
        wanted, found = model.begin(name), table.begin(name)
        assert found == wanted
        if wanted == "idle":
            return
        assert table.commit(name) == model.commit(name)


def check_history(table: Table, model: Model) -> None:
    """What is stored is what the model has seen committed, in its order, and nothing waits."""
    rows = table.admin.execute(
        "select seq, role, parts -> 0 ->> 'text' from remanence.messages"
        " where conversation_id = %s order by seq",
        [table.conversation_id],
    ).fetchall()
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1))
    wanted = []
    for run in model.runs:
        begun = (
            run.status != "cancelled" or run.steps or run in [r for r, _ in model.claims.values()]
        )
        wanted += [("user", "hello"), *(("assistant", name) for name in run.steps)] if begun else []
    assert [(role, text) for _, role, text in rows] == wanted
    left = table.admin.execute(
        "select conv.lease_token, conv.lease_until, conv.next_seq,"
        " (select array_agg(run.status order by run.ord) from remanence.runs as run"
        "  where run.conversation_id = conv.id)"
        " from remanence.conversations as conv where id = %s",
        [table.conversation_id],
    ).fetchone()
    assert left == (None, None, len(rows) + 1, [run.status for run in model.runs])


def everything() -> list[Any]:
    """One event between with every kind of commit; pairs of events with one kind each."""
    kinds: tuple[Kind, ...] = ("ends", "goes_on", "hands_over")
    single: list[tuple[str, ...]] = [(), ("expire",), ("cancel",), ("queue",)]
    table = [(events, times, kind) for events in single for times in (1, 2) for kind in kinds]
    table += [
        (("expire", "cancel"), 2, "hands_over"),
        (("expire", "queue"), 2, "ends"),
        (("cancel", "queue"), 2, "goes_on"),
    ]
    return [
        pytest.param(*row, id=f"{'+'.join(row[0]) or 'alone'}-sent {row[1]}x-{row[2]}")
        for row in table
    ]


@pytest.mark.parametrize(("events", "times", "kind"), everything())
def test_every_order_of_two_claims_and_commits_ends_in_one_history(
    table: Table, agent_id: str, events: tuple[str, ...], times: int, kind: Kind
) -> None:
    for case in cases(*events):
        table.lay(kind, agent_id)
        model = Model(kind=kind)

        play(table, model, case, times)
        finish(table, model)

        check_history(table, model)


# --- at the same moment -----------------------------------------------------------------------


def while_open(table: Table, statement: str, call: dict[str, Any], then: Any) -> Any:
    """Run a step function in a transaction, start `then`, commit when `then` waits for it."""
    results: list[Any] = []
    waiting = threading.Thread(target=lambda: results.append(then()))
    with psycopg.connect(table.admin.info.dsn, password=table.admin.info.password) as first:
        first.execute(f"select remanence.{statement}(%s::jsonb)".encode(), [json.dumps(call)])
        waiting.start()
        while not table.admin.execute(
            "select from pg_stat_activity where wait_event_type = 'Lock' and datname = %s",
            [table.admin.info.dbname],
        ).fetchall():
            assert waiting.is_alive()
    waiting.join()
    return results[0]


def test_claim_that_waited_for_a_commit_reads_what_it_committed(
    table: Table, agent_id: str
) -> None:
    """One plain statement would read the history from before its wait, and take step 1 again."""
    table.lay("hands_over", agent_id)
    table.begin("A")
    commit = sent_by(table.sessions["A"].store, lambda: table.commit("A"))

    found = while_open(table, "step_commit_v1", commit, lambda: table.begin("B"))

    state = table.sessions["B"].state
    assert found == "ok"
    assert state is not None
    assert state.step_no == 2
    assert [message.role for message in state.window] == ["user", "assistant"]


def test_claim_that_waited_for_a_claim_is_told_who_was_faster(table: Table, agent_id: str) -> None:
    table.lay("ends", agent_id)
    begin = sent_by(table.sessions["A"].store, lambda: table.begin("A"))

    found = while_open(table, "step_begin_v1", begin, lambda: table.begin("B"))

    assert found == "busy"


def test_two_conversations_that_create_the_same_block_at_once_are_no_error(
    table: Table, agent_id: str
) -> None:
    """The second one is told to apply its reply to the blocks as they are now."""
    label = new_id("label")
    for name in "AB":
        table.lay("hands_over", agent_id)
        table.begin(name)
        session = table.sessions[name]
        assert session.outcome is not None
        block = Block(id=new_id("block"), label=label, value=name, limit=100)
        made = BlockEdit(block=block, base_version=0, tool_call_id="call-1")
        session.outcome = replace(session.outcome, changes=BlockChanges(created=(made,)))
        if name == "A":
            commit = sent_by(session.store, lambda: table.commit("A"))
    second = table.sessions["B"]

    def commit_second() -> Any:
        assert second.state is not None
        assert second.outcome is not None
        return second.store.commit_step(
            second.state, second.outcome, lease_ms=0, new_archive_id=new_id("archive")
        )

    answer = while_open(table, "step_commit_v1", commit, commit_second)

    assert isinstance(answer, BlocksMoved)
    assert [block.value for block in answer.blocks if block.label == label] == ["A"]


def sent_by(store: PostgresStore, act: Any) -> dict[str, Any]:
    """The call that a store would send, without sending it."""
    sent: list[dict[str, Any]] = []

    class Unsent(Exception):
        pass

    def keep(_name: str, **call: object) -> Any:
        sent.append(json.loads(str(call["call"])))
        raise Unsent

    queries = store._queries
    send, queries.call = queries.call, keep  # type: ignore[method-assign]
    try:
        with pytest.raises(Unsent):
            act()
    finally:
        queries.call = send  # type: ignore[method-assign]
    return sent[0]


# --- a run that was stored, and whose answer was lost -------------------------------------------


def start(table: Table, order: Any, run_id: str, token: str) -> Any:
    return table.outside.start_run(
        DEFAULT_ORG_ID, order, run_id=run_id, lease_token=token, lease_ms=LEASE_MS
    )


def an_order_for(table: Table, **options: Any) -> Any:
    return an_order(table.agent_id, "hi", conversation_id=table.conversation_id, **options)


def test_start_sent_again_after_another_worker_took_over_is_the_same_run(
    table: Table, agent_id: str
) -> None:
    """Not "busy" with its own run: the caller would be told that nothing was stored."""
    table.lay("goes_on", agent_id)
    finish(table, Model(kind="ends"))
    order, run_id = an_order_for(table), new_id("run")
    start(table, order, run_id, "first")
    table.expire()
    table.begin("B")

    again = start(table, order, run_id, "first")

    assert isinstance(again, Known)
    assert again.run_id == run_id


def test_start_sent_again_after_another_worker_ended_the_run_is_the_same_run(
    table: Table, agent_id: str
) -> None:
    table.lay("ends", agent_id)
    finish(table, Model(kind="ends"))
    order, run_id = an_order_for(table), new_id("run")
    start(table, order, run_id, "first")
    table.expire()
    table.begin("B")
    table.commit("B")

    again = start(table, order, run_id, "first")

    assert isinstance(again, Known)
    assert again.run_id == run_id


def test_queued_start_sent_again_is_one_run_and_is_rung_for_again(
    table: Table, agent_id: str
) -> None:
    table.lay("ends", agent_id)
    order, run_id = an_order_for(table, background=True), new_id("run")

    first = start(table, order, run_id, "-")
    again = start(table, order, run_id, "-")

    assert first == again
    assert again.conversation_id == table.conversation_id
    assert table.admin.execute(
        "select count(*) from remanence.runs where id = %s", [run_id]
    ).fetchone() == (1,)


def test_queued_start_sent_again_while_its_run_waits_for_an_approval_is_not_refused(
    table: Table, agent_id: str
) -> None:
    table.lay("ends", agent_id)
    finish(table, Model(kind="ends"))
    order, run_id = an_order_for(table, background=True), new_id("run")
    first = start(table, order, run_id, "-")
    table.admin.execute(
        "update remanence.conversations set pending_message_id = 'message-x',"
        " pending_call_ids = '{call-1}', pending_since = now() where id = %s",
        [table.conversation_id],
    )

    again = start(table, order, run_id, "-")

    assert again == first
