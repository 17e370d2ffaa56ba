"""What happened: messages, runs and steps, as callers read them afterwards.

Path: api/routes/{messages,runs,steps} -> History -> sql/. Every method is one round trip; only an
empty page costs a second one, to tell "nothing" from "no such thing".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.db.catalog_rows import prompt_state_from_row
from remanence.db.paging import list_page
from remanence.db.record_rows import run_record_from_row, step_record_from_row
from remanence.db.rows import message_from_row, summary_from_row, usage_from_row
from remanence.errors import AgentBusy, InvalidRequest, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from remanence.core.exchange import Usage
    from remanence.core.ids import OrgId
    from remanence.core.records import RunRecord, StepRecord
    from remanence.core.types import Message, State
    from remanence.db.paging import Page
    from remanence.db.queries import Queries, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of a conversation's history.

    `before` and `after` are message ids: older than the one, newer than the other, in any order.
    `newest` says from which end of what lies between them `limit` messages are taken.
    `message_types` are the wire types wanted (None: all), `speech_tool` the tool whose calls are
    shown as assistant messages.
    """

    before: str | None = None
    after: str | None = None
    limit: int = 100
    newest: bool = True
    message_types: Sequence[str] | None = None
    speech_tool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs; None and False mean: any."""

    agent_ids: Sequence[str] | None = None
    statuses: Sequence[str] | None = None
    conversation_id: str | None = None
    stop_reason: str | None = None
    background: bool | None = None
    active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFilter:
    """Which steps; None means: any. `model` is a handle or its name; both instants inclusive."""

    run_id: str | None = None
    agent_id: str | None = None
    model: str | None = None
    feedback: str | None = None
    has_feedback: bool | None = None
    started_from: datetime | None = None
    started_to: datetime | None = None
    tags: Sequence[str] | None = None


class History:
    """Reads history; the only thing it changes is feedback, and the only thing it ends is all."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def list_messages(
        self, org_id: OrgId, agent_id: str | None, conversation_id: str | None, stretch: Stretch
    ) -> list[Message]:
        """Messages of a conversation (None: the agent's default), oldest first.

        With both ids, the conversation must be one of the agent's.

        Every one of them becomes at least one of the wanted wire messages, so an empty list
        means that there are no more.

        Raises:
            NotFound: no such agent or conversation.
            InvalidRequest: a cursor is no message of this conversation.
        """
        scope = {"agent_id": agent_id, "conversation_id": conversation_id}
        rows = self._queries.rows(
            "list_messages",
            org_id,
            **scope,
            before_id=stretch.before,
            after_id=stretch.after,
            newest=stretch.newest,
            page_limit=stretch.limit,
            message_types=_listed(stretch.message_types),
            speech_tool=stretch.speech_tool,
        )
        if not rows:
            cursors = [cursor for cursor in (stretch.before, stretch.after) if cursor]
            self._check_exists(org_id, cursors, scope)
        return [message_from_row(row["message"]) for row in rows]

    def _check_exists(self, org_id: OrgId, cursors: list[str], scope: Row) -> None:
        missing = self._queries.one("find_missing_of_messages", org_id, **scope, ids=cursors)
        if missing is None:
            return
        if missing["kind"] == "message":
            raise InvalidRequest(
                f"the cursor {missing['id']!r} is no message of this conversation, or no longer",
                field="cursor",
            )
        raise NotFound(missing["kind"], missing["id"])

    def list_all_messages(
        self,
        org_id: OrgId,
        page: Page,
        *,
        conversation_id: str | None,
        message_types: Sequence[str] | None,
        speech_tool: str | None,
    ) -> list[Message]:
        """One page of the messages of all agents, or of one conversation, in order of time.

        Raises:
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(
            self._queries,
            "list_all_messages",
            org_id,
            page,
            conversation_id=conversation_id,
            message_types=_listed(message_types),
            speech_tool=speech_tool,
        )
        return [message_from_row(row["message"]) for row in rows]

    def find_message(self, org_id: OrgId, message_id: str) -> Message:
        """One message.

        Raises:
            NotFound: no such message.
        """
        row = self._queries.one("find_message", org_id, message_id=message_id)
        if row is None:
            raise NotFound("message", message_id)
        return message_from_row(row["message"])

    def reset_messages(self, org_id: OrgId, agent_id: str) -> None:
        """Empty the default conversation of an agent: messages, summaries, window.

        Raises:
            NotFound: no such agent.
            AgentBusy: a run is working on it; nothing was deleted.
        """
        call = json.dumps({"org_id": org_id, "agent_id": agent_id})
        answer = self._queries.call("reset_messages", call=call)
        match answer["outcome"]:
            case "ok":
                return
            case "busy":
                raise AgentBusy(answer["conversation_id"], answer["run_id"])
            case _:
                raise NotFound(answer["kind"], answer["id"])

    def load_context_state(
        self, org_id: OrgId, agent_id: str, conversation_id: str | None = None
    ) -> State:
        """What the next step of a conversation would be compiled from; None: the default one.

        Its run is none that exists: it is for looking at, not for stepping.

        Raises:
            NotFound: no such agent, or it has no such conversation.
        """
        row = self._queries.one(
            "load_context_state", org_id, agent_id=agent_id, conversation_id=conversation_id
        )
        if row is None and conversation_id is not None:
            raise NotFound("conversation", conversation_id)
        if row is None:
            raise NotFound("agent", agent_id)
        return replace(
            prompt_state_from_row(org_id, row),
            window=tuple(message_from_row(message) for message in row["window"]),
            summaries=tuple(summary_from_row(summary) for summary in row["summaries"]),
        )

    def list_run_messages(
        self, org_id: OrgId, run_id: str, page: Page, *, speech_tool: str | None
    ) -> list[Message]:
        """One page of the messages of a run, its input included.

        Raises:
            NotFound: no such run.
            InvalidRequest: a cursor names nothing.
        """
        scope = {"run_id": run_id, "step_id": None}
        messages = self._list_messages_of(org_id, page, scope, speech_tool)
        if not messages:
            self.find_run(org_id, run_id)
        return messages

    def list_step_messages(
        self, org_id: OrgId, step_id: str, page: Page, *, speech_tool: str | None
    ) -> list[Message]:
        """One page of the messages a step wrote.

        Raises:
            NotFound: no such step.
            InvalidRequest: a cursor names nothing.
        """
        scope = {"run_id": None, "step_id": step_id}
        messages = self._list_messages_of(org_id, page, scope, speech_tool)
        if not messages:
            self.find_step(org_id, step_id)
        return messages

    def _list_messages_of(
        self, org_id: OrgId, page: Page, scope: Row, speech_tool: str | None
    ) -> list[Message]:
        rows = list_page(
            self._queries, "list_run_messages", org_id, page, **scope, speech_tool=speech_tool
        )
        return [message_from_row(row["message"]) for row in rows]

    def list_runs(self, org_id: OrgId, page: Page, wanted: RunFilter) -> list[RunRecord]:
        """One page of runs.

        Raises:
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(
            self._queries,
            "list_runs",
            org_id,
            page,
            agent_ids=_listed(wanted.agent_ids),
            statuses=_listed(wanted.statuses),
            conversation_id=wanted.conversation_id,
            stop_reason=wanted.stop_reason,
            background=wanted.background,
            active=wanted.active,
        )
        return [run_record_from_row(row) for row in rows]

    def find_run(self, org_id: OrgId, run_id: str) -> RunRecord:
        """One run.

        Raises:
            NotFound: no such run.
        """
        row = self._queries.one("find_run", org_id, run_id=run_id)
        if row is None:
            raise NotFound("run", run_id)
        return run_record_from_row(row)

    def run_usage(self, org_id: OrgId, run_id: str) -> Usage:
        """The tokens of all steps of a run together.

        Raises:
            NotFound: no such run.
        """
        row = self._queries.one("sum_run_usage", org_id, run_id=run_id)
        if row is None:
            raise NotFound("run", run_id)
        return usage_from_row(row["usage"])

    def list_steps(self, org_id: OrgId, page: Page, wanted: StepFilter) -> list[StepRecord]:
        """One page of steps.

        Raises:
            NotFound: the run whose steps are asked for does not exist.
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(
            self._queries,
            "list_steps",
            org_id,
            page,
            run_id=wanted.run_id,
            agent_id=wanted.agent_id,
            model=wanted.model,
            feedback=wanted.feedback,
            has_feedback=wanted.has_feedback,
            started_from=wanted.started_from,
            started_to=wanted.started_to,
            tags=_listed(wanted.tags),
        )
        if not rows and wanted.run_id is not None:
            self.find_run(org_id, wanted.run_id)
        return [step_record_from_row(row["step"]) for row in rows]

    def find_step(self, org_id: OrgId, step_id: str) -> StepRecord:
        """One step.

        Raises:
            NotFound: no such step.
        """
        return self._one_step("find_step", org_id, step_id)

    def set_feedback(
        self, org_id: OrgId, step_id: str, feedback: str | None, tags: Sequence[str] | None
    ) -> StepRecord:
        """Keep what a caller thinks of a step; None takes it back, tags of None stay.

        Raises:
            NotFound: no such step.
        """
        return self._one_step(
            "update_step_feedback", org_id, step_id, feedback=feedback, tags=_listed(tags)
        )

    def _one_step(self, name: str, org_id: OrgId, step_id: str, **params: object) -> StepRecord:
        row = self._queries.one(name, org_id, step_id=step_id, **params)
        if row is None:
            raise NotFound("step", step_id)
        return step_record_from_row(row["step"])


def _listed(values: Sequence[str] | None) -> list[str] | None:
    """As psycopg takes an array."""
    return None if values is None else list(values)
