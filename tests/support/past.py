"""Agents with a past, written straight into the tables: no run has to be made for it.

`Past` works as the server's role does, so row-level security binds it too.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from remanence.core.exchange import Text
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.db.rows import part_to_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.exchange import StoredPart

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def new_id(kind: str) -> str:
    return f"{kind}-{uuid.uuid4()}"


@dataclass
class Thread:
    """An agent and one of its conversations."""

    agent_id: str
    conversation_id: str


class Past:
    """Writes what happened; every call is a transaction of its own."""

    def __init__(self, uri: str, org_id: str = DEFAULT_ORG_ID) -> None:
        self.org_id = org_id
        self._uri = uri
        self._minutes = 0

    def run(self, statement: str, **params: Any) -> list[Any]:
        with psycopg.connect(self._uri, prepare_threshold=None) as conn:
            conn.execute("select remanence.enter_org(%s)", [self.org_id])
            cursor = conn.execute(statement.encode(), params)
            return cursor.fetchall() if cursor.description else []

    def agent(self, *, embedding: str | None = None, agent_type: str = "letta_v1_agent") -> Thread:
        agent_id = new_id("agent")
        self.run(
            "insert into remanence.agents (id, org_id, name, agent_type, system, model, embedding,"
            " context_window_limit) values (%(id)s, %(org_id)s, 'Ann', %(agent_type)s, 'Be kind.',"
            " 'scripted/model', %(embedding)s, 32000)",
            id=agent_id,
            org_id=self.org_id,
            agent_type=agent_type,
            embedding=embedding,
        )
        return Thread(agent_id, self.conversation(agent_id, is_default=True))

    def conversation(self, agent_id: str, *, is_default: bool = False) -> str:
        conversation_id = new_id("conv")
        self.run(
            "insert into remanence.conversations (id, org_id, agent_id, is_default)"
            " values (%(id)s, %(org_id)s, %(agent_id)s, %(is_default)s)",
            id=conversation_id,
            org_id=self.org_id,
            agent_id=agent_id,
            is_default=is_default,
        )
        return conversation_id

    def message(
        self,
        thread: Thread,
        role: str,
        *parts: StoredPart | str,
        at: datetime | None = None,
        run_id: str | None = None,
        step_id: str | None = None,
    ) -> str:
        """Append a message; a string stands for a text. Each is a minute after the one before."""
        self._minutes += 1
        message_id = new_id("message")
        rows = [part_to_row(Text(text=part) if isinstance(part, str) else part) for part in parts]
        self.run(
            "with place as (update remanence.conversations set next_seq = next_seq + 1"
            " where id = %(conversation_id)s returning next_seq - 1 as seq)"
            " insert into remanence.messages (conversation_id, seq, id, org_id, agent_id, role,"
            " parts, created_at, run_id, step_id)"
            " select %(conversation_id)s, place.seq, %(id)s, %(org_id)s, %(agent_id)s, %(role)s,"
            " %(parts)s::jsonb, %(at)s, %(run_id)s, %(step_id)s from place",
            conversation_id=thread.conversation_id,
            id=message_id,
            org_id=self.org_id,
            agent_id=thread.agent_id,
            role=role,
            parts=json.dumps(rows),
            at=at or START + timedelta(minutes=self._minutes),
            run_id=run_id,
            step_id=step_id,
        )
        return message_id

    def run_of(
        self,
        thread: Thread,
        *,
        status: str = "completed",
        stop_reason: str | None = "end_turn",
        background: bool = False,
        error: dict[str, str] | None = None,
        at: datetime | None = None,
    ) -> str:
        """A run that began a second after it was asked for and took a second."""
        self._minutes += 1
        run_id = new_id("run")
        created_at = at or START + timedelta(minutes=self._minutes)
        is_over = status in ("completed", "failed", "cancelled")
        self.run(
            "with place as (update remanence.conversations set next_ord = next_ord + 1"
            " where id = %(conversation_id)s returning next_ord - 1 as ord)"
            " insert into remanence.runs (id, org_id, agent_id, conversation_id, ord, status,"
            " stop_reason, background, options, input, error, created_at, started_at, completed_at)"
            " select %(id)s, %(org_id)s, %(agent_id)s, %(conversation_id)s, place.ord, %(status)s,"
            " %(stop_reason)s, %(background)s, '{}', '[]', %(error)s::jsonb, %(created_at)s,"
            " %(started_at)s, %(completed_at)s from place",
            conversation_id=thread.conversation_id,
            id=run_id,
            org_id=self.org_id,
            agent_id=thread.agent_id,
            status=status,
            stop_reason=stop_reason if is_over else None,
            background=background,
            error=json.dumps(error) if error else None,
            created_at=created_at,
            started_at=created_at + timedelta(seconds=1),
            completed_at=created_at + timedelta(seconds=2) if is_over else None,
        )
        return run_id

    def step(
        self,
        thread: Thread,
        run_id: str,
        *,
        step_no: int = 1,
        model: str = "scripted/model",
        prompt_tokens: int = 10,
        completion_tokens: int = 2,
        at: datetime | None = None,
    ) -> str:
        self._minutes += 1
        step_id = new_id("step")
        created_at = at or START + timedelta(minutes=self._minutes)
        self.run(
            "insert into remanence.steps (id, org_id, agent_id, conversation_id, run_id, step_no,"
            " lease_token, status, stop_reason, model, context_window_limit, prompt_tokens,"
            " completion_tokens, cached_input_tokens, llm_ns, step_ns, started_at, created_at)"
            " values (%(id)s, %(org_id)s, %(agent_id)s, %(conversation_id)s, %(run_id)s,"
            " %(step_no)s, 'token', 'success', 'end_turn', %(model)s, 32000, %(prompt_tokens)s,"
            " %(completion_tokens)s, 4, 5000, 9000, %(created_at)s, %(created_at)s)",
            id=step_id,
            org_id=self.org_id,
            agent_id=thread.agent_id,
            conversation_id=thread.conversation_id,
            run_id=run_id,
            step_no=step_no,
            model=model,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            created_at=created_at,
        )
        return step_id

    def archive(self, *agent_ids: str, embedding: str | None = None, owner: bool = True) -> str:
        archive_id = new_id("archive")
        self.run(
            "insert into remanence.archives (id, org_id, name, embedding)"
            " values (%(id)s, %(org_id)s, 'notes', %(embedding)s)",
            id=archive_id,
            org_id=self.org_id,
            embedding=embedding,
        )
        for agent_id in agent_ids:
            self.run(
                "insert into remanence.archives_agents (org_id, agent_id, archive_id, is_owner)"
                " values (%(org_id)s, %(agent_id)s, %(archive_id)s, %(owner)s)",
                org_id=self.org_id,
                agent_id=agent_id,
                archive_id=archive_id,
                owner=owner,
            )
        return archive_id

    def passage(
        self,
        archive_id: str,
        text: str,
        *,
        tags: Sequence[str] = (),
        at: datetime | None = None,
        vector: Sequence[float] | None = None,
        model: str | None = None,
    ) -> str:
        self._minutes += 1
        passage_id = new_id("passage")
        row = {
            "id": passage_id,
            "text": text,
            "tags": list(tags),
            "created_at": (at or START + timedelta(minutes=self._minutes)).isoformat(),
            "embedding": None if vector is None else list(vector),
            "embedding_model": model,
        }
        self.run(
            "select remanence.insert_passages_v1("
            "%(org_id)s, %(archive_id)s, null, %(rows)s::jsonb)",
            org_id=self.org_id,
            archive_id=archive_id,
            rows=json.dumps([row]),
        )
        return passage_id
