"""The requests that make an agent and that change one.

Path: routes/agents.py -> CreateAgent.to_new, UpdateAgent.to_change -> db/catalog_agents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import Field

from remanence.api.wire.agent_fields import DEFAULT_CONTEXT_WINDOW, AgentFields, WindowOf
from remanence.api.wire.blocks import CreateBlock
from remanence.api.wire.inputs import MessageCreate, RunRequest
from remanence.api.wire.instants import Instant
from remanence.core.builtin import DEFAULT_RULES_BY_AGENT_TYPE, DEFAULT_TOOLS_BY_AGENT_TYPE
from remanence.core.exchange import JsonObject, ModelSettings
from remanence.core.ids import AgentId, IdSource
from remanence.core.prompts import default_system
from remanence.core.rules import check_rules
from remanence.core.summaries import CompactionSettings
from remanence.core.types import Agent, AgentType, Message, StopReason, ToolRule
from remanence.db.catalog_agents import AgentChange, AgentView, NewAgent
from remanence.errors import InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What making an agent takes from its surroundings.

    `tool_names` are the names of the tools that are given by id, as far as they are needed.
    """

    new_id: IdSource
    now: datetime
    window_of: WindowOf
    default_model: str | None
    default_embedding: str | None
    tool_names: Mapping[str, str]


class CreateAgent(AgentFields):
    """A new agent."""

    agent_type: AgentType = Field(
        default="letta_v1_agent",
        description="memgpt_agent and memgpt_v2_agent speak through send_message; all others run "
        "as letta_v1_agent.",
    )
    memory_blocks: list[CreateBlock] | None = Field(
        default=None, description="Blocks to make and attach, in order, before `block_ids`."
    )
    tools: list[str] | None = Field(default=None, description="Tools to attach, by name.")
    include_base_tools: bool = Field(
        default=True, description="Attach the tools its type starts with."
    )
    include_base_tool_rules: bool | None = Field(
        default=None, description="Give it the tool rules its type starts with; false: none."
    )
    initial_message_sequence: list[MessageCreate] | None = Field(
        default=None, description="The history it starts with; null: none."
    )
    embedding_chunk_size: int | None = Field(
        default=None, description="Kept without effect: a passage is never split."
    )
    enable_reasoner: bool | None = Field(
        default=None, description="Old form of model_settings.thinking."
    )
    max_reasoning_tokens: int | None = Field(
        default=None, ge=0, description="Old form of model_settings.thinking.budget_tokens."
    )
    include_default_source: bool | None = Field(
        default=None, description="Kept without effect: there are no folders."
    )
    memory_variables: dict[str, str] | None = Field(
        default=None, description="Kept without effect: there are no templates to fill."
    )
    project: str | None = Field(
        default=None, description="Kept without effect: project_id is what lists filter by."
    )
    template: bool | None = Field(
        default=None, description="Kept without effect: there are no templates."
    )
    from_template: str | None = Field(
        default=None, description="Not served: refused, as there are no templates."
    )

    @property
    def names_a_model(self) -> bool:
        """Whether the caller says which model, in either form."""
        return self.model is not None or self.llm_config is not None

    def to_new(self, making: Making) -> NewAgent:
        """The agent to be made.

        Raises:
            InvalidRequest: no model, or rules that cannot be followed.
            NotFound, LimitExceeded, NotSupported: see AgentFields.applied_to.
        """
        tools = self._tools()
        agent = self._with_default_model(making).applied_to(
            self._unset(making, tools), making.window_of
        )
        ids = self.tool_ids or []
        names = (making.tool_names[i] for i in ids if i in making.tool_names)
        _check_rules(agent.tool_rules, (*tools, *names))
        return NewAgent(
            agent=agent,
            conversation_id=making.new_id("conv"),
            new_blocks=tuple(
                block.to_core(making.new_id("block")) for block in self.memory_blocks or ()
            ),
            block_ids=tuple(self.block_ids or ()),
            tool_names=tools,
            tool_ids=tuple(ids),
            identity_ids=tuple(self.identity_ids or ()),
            messages=self._messages(making),
        )

    def _tools(self) -> tuple[str, ...]:
        base = DEFAULT_TOOLS_BY_AGENT_TYPE[self.agent_type] if self.include_base_tools else ()
        return tuple(dict.fromkeys((*base, *(self.tools or ()))))

    def _with_default_model(self, making: Making) -> "CreateAgent":
        if self.names_a_model:
            return self
        if making.default_model is None:
            raise InvalidRequest(
                "model is required (provider/model): no provider offers one now", field="model"
            )
        return self.model_copy(update={"model": making.default_model})

    def _unset(self, making: Making, tools: tuple[str, ...]) -> Agent:
        """An agent of this type for which nothing was said."""
        agent_id = making.new_id("agent")
        rules = DEFAULT_RULES_BY_AGENT_TYPE[self.agent_type]
        with_rules = self.include_base_tool_rules is not False
        names_embedding = bool({"embedding", "embedding_config"} & self.model_fields_set)
        return Agent(
            id=AgentId(agent_id),
            name=f"agent-{agent_id.partition('-')[2][:8]}",
            agent_type=self.agent_type,
            system=default_system(self.agent_type),
            model="",
            embedding=None if names_embedding else making.default_embedding,
            description=None,
            context_window_limit=DEFAULT_CONTEXT_WINDOW,
            model_settings=ModelSettings(),
            compaction_settings=CompactionSettings(),
            tool_rules=tuple(rule for rule in rules if with_rules and rule.tool_name in tools),
            tags=(),
            metadata={},
            timezone="UTC",
            message_buffer_autoclear=self.agent_type == "workflow_agent",
            hidden=False,
            extras={},
            version=1,
            created_at=making.now,
            updated_at=making.now,
        )

    def _with_rules(self, agent: Agent) -> Agent:
        """The given rules stand beside the ones its type starts with."""
        given = super()._with_rules(agent).tool_rules if self.tool_rules else ()
        return replace(agent, tool_rules=(*agent.tool_rules, *given))

    def _messages(self, making: Making) -> tuple[Message, ...]:
        if not self.initial_message_sequence:
            return ()
        order = RunRequest(messages=[*self.initial_message_sequence], max_steps=1).to_order(
            agent_id="", idempotency_key=None, now=making.now, new_id=making.new_id
        )
        return order.messages

    def _settings(self, settings: ModelSettings) -> ModelSettings:
        if self.enable_reasoner and self.max_reasoning_tokens:
            settings = replace(settings, thinking_budget_tokens=self.max_reasoning_tokens)
        return super()._settings(settings)

    def _extras(self) -> JsonObject:
        given = super()._extras()
        if self.embedding_chunk_size is not None:
            known = given.get("embedding_config")
            config = known if isinstance(known, dict) else {}
            given["embedding_config"] = config | {"embedding_chunk_size": self.embedding_chunk_size}
        return given


class UpdateAgent(AgentFields):
    """Changes of an agent: what is left out stays as it is."""

    message_ids: list[str] | None = Field(
        default=None,
        description="Not served: refused unless empty, as the history says what is in context.",
    )
    last_stop_reason: StopReason | None = Field(default=None, description="Why its last run ended.")
    last_run_completion: Instant | None = Field(
        default=None, description="When its last run ended."
    )
    last_run_duration_ms: int | None = Field(
        default=None, ge=0, lt=2**63, description="How long its last run took, in ms."
    )

    def to_change(
        self, known: AgentView, window_of: WindowOf, tool_names: Mapping[str, str]
    ) -> AgentChange:
        """What the agent shall be.

        Raises:
            InvalidRequest: rules that cannot be followed.
            NotFound, LimitExceeded, NotSupported: see AgentFields.applied_to.
        """
        agent = self.applied_to(known.agent, window_of)
        if self.tool_rules:
            names = [tool.name for tool in known.tools]
            if self.tool_ids is not None:
                names = [tool_names[i] for i in self.tool_ids if i in tool_names]
            _check_rules(agent.tool_rules, names)
        return AgentChange(
            agent=agent,
            block_ids=None if self.block_ids is None else tuple(self.block_ids),
            tool_ids=None if self.tool_ids is None else tuple(self.tool_ids),
            identity_ids=None if self.identity_ids is None else tuple(self.identity_ids),
        )

    def _with_plain_fields(self, agent: Agent) -> Agent:
        names = ("last_stop_reason", "last_run_completion", "last_run_duration_ms")
        changes: dict[str, Any] = {
            name: getattr(self, name) for name in names if name in self.model_fields_set
        }
        return replace(super()._with_plain_fields(agent), **changes)


def _check_rules(rules: Sequence[ToolRule], tool_names: Sequence[str]) -> None:
    problems = check_rules(rules, tool_names)
    if problems:
        raise InvalidRequest(f"tool_rules: {'; '.join(problems)}", field="tool_rules")
