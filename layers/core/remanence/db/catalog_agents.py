"""Agents in the database, as the API reads and changes them.

Path: api/routes/agents.py -> Agents -> db/sql. A step reads agents by itself (db/store.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from remanence.db.catalog_rows import agent_to_row, block_to_row, prompt_state_from_row
from remanence.db.identities import identity_from_row
from remanence.db.outcomes import Stale, call_catalog
from remanence.db.paging import list_page
from remanence.db.rows import (
    agent_from_row,
    block_from_row,
    message_from_row,
    message_to_row,
    rule_to_row,
    tool_from_row,
)
from remanence.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from remanence.core.ids import OrgId
    from remanence.core.types import Agent, Block, Message, State, Tool, ToolRule
    from remanence.db.identities import Identity
    from remanence.db.paging import Page
    from remanence.db.queries import Queries, Row

Relation = Literal["blocks", "tools", "identities", "secrets"]

# Others would have to change the same agent that often in a row for an update to give up.
_UPDATE_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretName:
    """A secret of an agent, as far as it is shown."""

    name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """An agent with what belongs to it; relations that were not asked for are empty.

    `message_ids` are the newest 500 messages in context in its default conversation, in order;
    `pending` is the approval request that waits there.
    """

    agent: Agent
    blocks: tuple[Block, ...]
    tools: tuple[Tool, ...]
    message_ids: tuple[str, ...]
    pending: Message | None = None
    identities: tuple[Identity, ...] = ()
    secrets: tuple[SecretName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAgent:
    """An agent to be made, with its default conversation.

    Its blocks are `new_blocks`, which are made with it, and then those of `block_ids`; its tools
    those of `tool_names` and then of `tool_ids`, each once. `messages` are its first history,
    `secrets` seals by name.
    """

    agent: Agent
    conversation_id: str
    new_blocks: tuple[Block, ...] = ()
    block_ids: tuple[str, ...] = ()
    tool_names: tuple[str, ...] = ()
    tool_ids: tuple[str, ...] = ()
    identity_ids: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChange:
    """What an agent shall be: its configuration, and what belongs to it (None: as before)."""

    agent: Agent
    block_ids: tuple[str, ...] | None = None
    tool_ids: tuple[str, ...] | None = None
    identity_ids: tuple[str, ...] | None = None
    secrets: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFilter:
    """Which agents a list shows; None: no matter.

    `tags`: any of them, or all. `identifier_keys`: of any identity with one of these keys.
    """

    agent_name: str | None = None
    query_text: str | None = None
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    last_stop_reason: str | None = None
    block_id: str | None = None
    identity_id: str | None = None
    identifier_keys: list[str] | None = None
    tags: list[str] | None = None
    match_all_tags: bool = False
    with_hidden: bool = False


class Agents:
    """The agents of the catalog."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def create_agent(self, org_id: OrgId, new: NewAgent) -> AgentView:
        """Make an agent; the same id again gives the agent that is there.

        Raises:
            NotFound: a block, tool or identity that was named.
            Conflict: two of its blocks have the same label.
        """
        answer = call_catalog(
            self._queries,
            "create_agent",
            org_id=org_id,
            agent=agent_to_row(new.agent),
            conversation_id=new.conversation_id,
            new_blocks=[block_to_row(block) for block in new.new_blocks],
            block_ids=new.block_ids,
            tool_names=new.tool_names,
            tool_ids=new.tool_ids,
            identity_ids=new.identity_ids,
            secrets=new.secrets,
            messages=[message_to_row(message) for message in new.messages],
        )
        return _view(answer["view"])

    def load_agent(
        self, org_id: OrgId, agent_id: str, relations: Sequence[Relation] = ("blocks", "tools")
    ) -> AgentView:
        """An agent.

        Raises:
            NotFound: there is none with this id.
        """
        row = self._queries.one("load_agent", org_id, agent_id=agent_id, relations=list(relations))
        if row is None:
            raise NotFound("agent", agent_id)
        return _view(row["view"])

    def forget_epochs(self, org_id: OrgId, agent_id: str) -> None:
        """Compile the prompts of an agent's conversations afresh at their next step."""
        self._queries.rows("forget_epochs", org_id, agent_id=agent_id)

    def load_prompt_state(self, org_id: OrgId, agent_id: str) -> State:
        """What the next step of the default conversation would compile its system prompt from.

        Its window is empty and its run is none that exists: it is not for stepping.

        Raises:
            NotFound: there is no such agent.
        """
        row = self._queries.one("load_prompt_state", org_id, agent_id=agent_id)
        if row is None:
            raise NotFound("agent", agent_id)
        return prompt_state_from_row(org_id, row)

    def list_agents(
        self, org_id: OrgId, wanted: AgentFilter, page: Page, relations: Sequence[Relation]
    ) -> list[AgentView]:
        """One page of the agents that pass the filter.

        Raises:
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(
            self._queries,
            "list_agents",
            org_id,
            page,
            order_by=page.order_by,
            relations=list(relations),
            **asdict(wanted),
        )
        return [_view(row["view"]) for row in rows]

    def update_agent(
        self, org_id: OrgId, agent_id: str, change: Callable[[AgentView], AgentChange]
    ) -> AgentView:
        """Change an agent: read it, let `change` say what it shall be, write that.

        Two round trips; when somebody else was faster, the same again on what they wrote.

        Raises:
            NotFound: the agent, or a block, tool or identity that was named.
            Conflict: two of its blocks would have the same label; or others are always faster.
        """
        for _ in range(_UPDATE_TRIES):
            known = self.load_agent(org_id, agent_id)
            wanted = change(known)
            try:
                answer = call_catalog(
                    self._queries,
                    "update_agent",
                    org_id=org_id,
                    agent=agent_to_row(wanted.agent),
                    base_version=known.agent.version,
                    block_ids=wanted.block_ids,
                    tool_ids=wanted.tool_ids,
                    identity_ids=wanted.identity_ids,
                    secrets=wanted.secrets,
                )
            except Stale:
                continue
            return _view(answer["view"])
        raise Conflict(f"agent {agent_id!r} is being changed by others; nothing was changed here")

    def delete_agent(self, org_id: OrgId, agent_id: str) -> None:
        """Delete an agent with its conversations, messages, runs and own archives.

        Its blocks stay, and so do archives that other agents share.

        Raises:
            NotFound: there is none with this id.
        """
        call_catalog(self._queries, "delete_agent", org_id=org_id, agent_id=agent_id)

    def link_block(self, org_id: OrgId, agent_id: str, block_id: str, *, attach: bool) -> AgentView:
        """Attach a block, or detach it; what is so already stays so.

        Raises:
            NotFound: the agent or the block.
            Conflict: the agent has another block with this label.
        """
        answer = call_catalog(
            self._queries,
            "link_block",
            org_id=org_id,
            agent_id=agent_id,
            block_id=block_id,
            attach=attach,
        )
        return _view(answer["view"])

    def link_tool(self, org_id: OrgId, agent_id: str, tool_id: str, *, attach: bool) -> AgentView:
        """Attach a tool, or detach it; what is so already stays so.

        Raises:
            NotFound: the agent or the tool.
        """
        answer = call_catalog(
            self._queries,
            "link_tool",
            org_id=org_id,
            agent_id=agent_id,
            tool_id=tool_id,
            attach=attach,
        )
        return _view(answer["view"])

    def set_tool_approval(
        self, org_id: OrgId, agent_id: str, rule: ToolRule, *, requires_approval: bool
    ) -> AgentView:
        """Have calls of the rule's tool wait for approval, or not; the rule comes or goes with it.

        Raises:
            NotFound: the agent, or the agent has no such tool.
        """
        answer = call_catalog(
            self._queries,
            "set_tool_approval",
            org_id=org_id,
            agent_id=agent_id,
            tool_name=rule.tool_name,
            requires_approval=requires_approval,
            rule=rule_to_row(rule),
        )
        return _view(answer["view"])


def _view(row: Row) -> AgentView:
    return AgentView(
        agent=agent_from_row(row["agent"]),
        blocks=tuple(block_from_row(block) for block in row["blocks"]),
        tools=tuple(tool_from_row(tool) for tool in row["tools"]),
        message_ids=tuple(row["message_ids"]),
        identities=tuple(identity_from_row(identity) for identity in row["identities"]),
        secrets=tuple(_secret_name(secret) for secret in row["secrets"]),
        pending=None if row["pending"] is None else message_from_row(row["pending"]),
    )


def _secret_name(row: Row) -> SecretName:
    return SecretName(
        name=row["name"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
