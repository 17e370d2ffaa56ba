"""Conversations as the protocol shows them, and as callers make and change them.

Path: routes/conversations.py -> here -> db/conversations.py. What a conversation overrides of its
agent is kept in its `extras` and applied when a step is read (db/rows.py).
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from remanence.api.wire.bodies import WriteBody
from remanence.api.wire.inputs import RunRequest
from remanence.api.wire.instants import Instant
from remanence.api.wire.model_fields import ModelSettingsFields
from remanence.api.wire.models import provider_type_of
from remanence.core.exchange import JsonObject, ModelSettings
from remanence.core.ids import DEFAULT_USER_ID
from remanence.core.types import Agent
from remanence.db.conversations import ConversationView
from remanence.errors import LimitExceeded


class ConversationState(BaseModel):
    """A thread of an agent: a history of its own over the agent's memory."""

    id: str = Field(description="The conversation's id.")
    agent_id: str = Field(description="Whose it is.")
    summary: str | None = Field(description="A title, given by the caller.")
    description: str | None = Field(description="Given by the caller.")
    archived: bool = Field(description="Left out of lists unless asked for.")
    archived_at: Instant | None = Field(description="When it was archived.")
    in_context_message_ids: list[str] = Field(
        description="The newest 500 messages in context, in order."
    )
    isolated_block_ids: list[str] = Field(default=[], description="Always empty: memory is shared.")
    model: str | None = Field(description="provider/model; null: the agent's.")
    model_settings: dict[str, Any] | None = Field(description="Null: the agent's.")
    context_window_limit: int | None = Field(description="Tokens; null: the agent's.")
    last_message_at: Instant | None = Field(description="When something was last said in it.")
    created_at: Instant
    updated_at: Instant
    created_by_id: str | None = DEFAULT_USER_ID
    last_updated_by_id: str | None = DEFAULT_USER_ID


def conversation_to_wire(view: ConversationView) -> ConversationState:
    """A conversation as the protocol shows it."""
    extras: dict[str, Any] = view.extras
    archived_at = extras.get("archived_at")
    return ConversationState(
        id=view.id,
        agent_id=view.agent_id,
        summary=view.summary,
        description=extras.get("description"),
        archived=archived_at is not None,
        archived_at=archived_at,
        in_context_message_ids=list(view.message_ids),
        model=extras.get("model"),
        model_settings=extras.get("model_settings"),
        context_window_limit=extras.get("context_window_limit"),
        last_message_at=view.last_message_at,
        created_at=view.created_at,
        updated_at=view.updated_at,
    )


class ConversationFields(WriteBody):
    """What may be set of a conversation at any time; null clears it."""

    summary: str | None = Field(default=None, max_length=10_000, description="A title.")
    description: str | None = Field(default=None, max_length=100_000)
    model: str | None = Field(
        default=None, min_length=1, description="provider/model, instead of the agent's."
    )
    model_settings: ModelSettingsFields | None = Field(
        default=None, description="All settings of its model calls, instead of the agent's."
    )
    context_window_limit: int | None = Field(
        default=None, ge=1, description="Tokens, instead of the agent's."
    )

    @property
    def overrides(self) -> bool:
        """Whether it says anything about model or window."""
        return bool({"model", "model_settings", "context_window_limit"} & self.model_fields_set)

    def to_extras(
        self, agent: Agent, known: JsonObject, window_of: Callable[[str], int]
    ) -> JsonObject:
        """The extras to set; None takes one away.

        Args:
            agent: whose conversation it is.
            known: the extras it has.
            window_of: tokens a model takes, by its handle.

        Raises:
            NotFound: the model.
            LimitExceeded: the window asked for is larger than the model's.
        """
        given: JsonObject = {
            name: getattr(self, name)
            for name in ("description", "model", "context_window_limit")
            if name in self.model_fields_set
        }
        if "model" in given or "context_window_limit" in given:
            handle = str((known | given).get("model") or agent.model)
            given["model_window"] = self._checked_window(handle, window_of)
        if "model_settings" in self.model_fields_set:
            given |= self._settings(str((known | given).get("model") or agent.model))
        return given

    def _checked_window(self, handle: str, window_of: Callable[[str], int]) -> int:
        window = window_of(handle)
        if self.context_window_limit is not None and self.context_window_limit > window:
            raise LimitExceeded(
                f"context_window_limit for {handle}",
                limit=window,
                actual=self.context_window_limit,
                unit="tokens",
            )
        return window

    def _settings(self, handle: str) -> JsonObject:
        if self.model_settings is None:
            return {"settings": None, "model_settings": None}
        said = self.model_settings.model_dump(exclude_unset=True)
        return {
            "settings": asdict(self.model_settings.applied_to(ModelSettings())),
            "model_settings": said | {"provider_type": provider_type_of(handle)},
        }


class CreateConversation(ConversationFields):
    """A new conversation."""

    hidden: bool = Field(default=False, description="Left out of lists.")


class UpdateConversation(ConversationFields):
    """Changes of a conversation: what is left out stays as it is."""

    archived: bool | None = None
    last_message_at: Instant | None = Field(default=None, description="To sort it by.")

    def to_columns(self) -> JsonObject:
        """The columns to set."""
        columns: JsonObject = {}
        if "summary" in self.model_fields_set:
            columns["summary"] = self.summary
        if "last_message_at" in self.model_fields_set:
            moment = self.last_message_at
            columns["last_message_at"] = None if moment is None else moment.isoformat()
        return columns

    def archived_extras(self, known: JsonObject, now: datetime) -> JsonObject:
        """When it was archived, if that changes."""
        if self.archived is None or self.archived == ("archived_at" in known):
            return {}
        return {"archived_at": now.isoformat() if self.archived else None}


class ConversationRunRequest(RunRequest):
    """Say something in a conversation; the answer is a stream unless another form is asked for."""

    agent_id: str | None = Field(default=None, description='Needed for the conversation "default".')
    streaming: bool = True
