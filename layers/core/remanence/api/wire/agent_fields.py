"""What a caller sets of an agent, when making or changing one.

Path: routes/agents.py -> CreateAgent or UpdateAgent (agent_requests.py) -> applied_to -> core
Agent -> db. Both share one way of applying a field, so that an agent made with it and an agent
changed to it are the same.
A field that is left out stays; null clears what may be empty and else changes nothing. What has
no behaviour here is kept in `extras` and read back; what would mislead when it were only kept
(folders, templates) is refused.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from remanence.api.agent_secrets import Secrets
from remanence.api.ids import of_kind
from remanence.api.wire.blocks import Tag
from remanence.api.wire.bodies import WriteBody
from remanence.api.wire.model_fields import (
    EmbeddingConfigFields,
    LlmConfigFields,
    ModelSettingsFields,
    ResponseFormatFields,
)
from remanence.api.wire.tools import RuleFields, rule_from_wire
from remanence.core.exchange import JsonObject, ModelSettings
from remanence.core.summaries import CompactionMode, CompactionSettings
from remanence.core.types import Agent
from remanence.errors import LimitExceeded, NotSupported

# Tokens of an agent's window unless a caller asks for more. Every step pays for its whole window
# and answers slower and worse the fuller it is; what leaves it is kept, summarised and searched.
DEFAULT_CONTEXT_WINDOW = 32_000

WindowOf = Callable[[str], int]

# Accepted for what the retired server did with them, and without effect here.
_EXTRAS = (
    "enable_sleeptime",
    "include_default_source",
    "max_files_open",
    "per_file_view_window_char_limit",
    "memory_variables",
    "project",
    "project_id",
    "reasoning",
    "template",
    "template_id",
    "base_template_id",
)
_NOT_SERVED = {
    "folder_ids": "folders are not served yet",
    "source_ids": "folders are not served yet",
    "from_template": "templates are not served yet",
    "message_ids": "the messages in context follow from the history and cannot be set",
}


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError(
            "time_zone", "must be the IANA name of a time zone, like Europe/Berlin"
        ) from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]
BlockIds = list[Annotated[str, of_kind("block")]]
IdentityIds = list[Annotated[str, of_kind("identity")]]
ToolIds = list[Annotated[str, of_kind("tool")]]


class CompactionFields(BaseModel):
    """How an agent's history is compacted."""

    mode: CompactionMode | None = None
    sliding_window_percentage: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="The share of the context window that history keeps, in the sliding modes.",
    )
    fan_out: int | None = Field(
        default=None,
        ge=2,
        le=50,
        description="How many summaries of one level are folded into one above them.",
    )
    clip_chars: int | None = Field(default=None, ge=1, description="Characters of one summary.")
    model: str | None = Field(default=None, description="Who summarises; null: the agent's model.")
    model_settings: ModelSettingsFields | None = Field(
        default=None, description="Of the summariser; null: its provider's defaults."
    )
    prompt: str | None = Field(default=None, description="Instructions; null: the default ones.")
    prompt_acknowledgement: bool | None = None
    archive_facts: bool | None = Field(
        default=None, description="Read what has left the window for facts, as passages."
    )
    archive_blocks: list[str] | None = Field(
        default=None,
        max_length=50,
        description=(
            "Labels of blocks whose oldest, least used lines the schedule moves to archival memory "
            "when they are nearly full. Only blocks of one agent that may be edited, and only if "
            "the agent has archival_memory_search."
        ),
    )

    def applied_to(self, settings: CompactionSettings) -> CompactionSettings:
        """The settings with what was given."""
        given = self.model_fields_set - {"model_settings"}
        clearable = {"clip_chars", "model", "prompt"}
        changes: dict[str, Any] = {
            name: getattr(self, name)
            for name in given
            if name in clearable or getattr(self, name) is not None
        }
        if "model_settings" in self.model_fields_set:
            wanted = self.model_settings
            changes["model_settings"] = wanted and wanted.applied_to(ModelSettings())
        if self.archive_blocks is not None:
            changes["archive_blocks"] = tuple(self.archive_blocks)
        return replace(settings, **changes)


class AgentFields(WriteBody):
    """What may be set of an agent at any time."""

    name: str | None = Field(
        default=None, min_length=1, max_length=500, description="Need not be unique."
    )
    description: str | None = Field(default=None, description="What the agent is for.")
    system: str | None = Field(default=None, description="The system prompt's own part.")
    model: str | None = Field(default=None, min_length=1, description="provider/model.")
    model_settings: ModelSettingsFields | None = None
    llm_config: LlmConfigFields | None = Field(default=None, description="Old form of `model`.")
    context_window_limit: int | None = Field(
        default=None,
        ge=1,
        description=f"Tokens one request may hold; {DEFAULT_CONTEXT_WINDOW} unless asked for.",
    )
    embedding: str | None = Field(default=None, description="provider/model; null: words only.")
    embedding_config: EmbeddingConfigFields | None = Field(
        default=None, description="Old form of `embedding`."
    )
    compaction_settings: CompactionFields | None = None
    tool_rules: list[RuleFields] | None = None
    tags: list[Tag] | None = Field(default=None, description="To find it by.")
    metadata: dict[str, Any] | None = Field(default=None, description="The caller's own.")
    timezone: Zone | None = Field(default=None, description="IANA name.")
    message_buffer_autoclear: bool | None = Field(
        default=None, description="Each message starts with an empty window."
    )
    hidden: bool | None = Field(default=None, description="Left out of lists.")
    block_ids: BlockIds | None = Field(default=None, description="Blocks to attach, in order.")
    tool_ids: ToolIds | None = Field(default=None, description="Tools to attach.")
    max_tokens: int | None = Field(
        default=None, ge=1, description="Old form of model_settings.max_output_tokens."
    )
    parallel_tool_calls: bool | None = Field(
        default=None, description="Old form of model_settings.parallel_tool_calls."
    )
    response_format: ResponseFormatFields | None = Field(
        default=None, description="Old form of model_settings.response_format."
    )
    reasoning: bool | None = Field(
        default=None, description="Kept without effect: see model_settings.thinking."
    )
    enable_sleeptime: bool | None = Field(
        default=None, description="Kept without effect: compaction reads history for facts."
    )
    max_files_open: int | None = Field(
        default=None, description="Kept without effect: there are no files."
    )
    per_file_view_window_char_limit: int | None = Field(
        default=None, description="Kept without effect: there are no files."
    )
    project_id: str | None = Field(default=None, description="Stored; lists filter by it.")
    template_id: str | None = Field(default=None, description="Stored; lists filter by it.")
    base_template_id: str | None = Field(default=None, description="Stored; lists filter by it.")
    secrets: Secrets | None = Field(
        default=None,
        description="Environment of its custom tools, all of it; sealed, and never shown.",
    )
    tool_exec_environment_variables: Secrets | None = Field(
        default=None, description="Old form of `secrets`."
    )
    folder_ids: list[str] | None = Field(
        default=None, description="Not served: refused unless empty, as there are no folders."
    )
    source_ids: list[str] | None = Field(
        default=None, description="Not served: refused unless empty, as there are no folders."
    )
    identity_ids: IdentityIds | None = Field(default=None, description="Whom it belongs to.")

    def applied_to(self, agent: Agent, window_of: WindowOf) -> Agent:
        """The agent with what was given.

        Args:
            agent: as it is; a new one with its defaults.
            window_of: tokens a model takes, by its handle; raises NotFound for an unknown one.

        Raises:
            NotFound: the model, or one that stands in for it.
            LimitExceeded: the window asked for is larger than the model's.
            NotSupported: a field that is not served was given a value.
        """
        for name, reason in _NOT_SERVED.items():
            if getattr(self, name, None):
                raise NotSupported(f"{name}: {reason}")
        agent = self._with_plain_fields(agent)
        agent = self._with_model(agent, window_of)
        for handle in (self.model_settings and self.model_settings.fallback_models) or ():
            window_of(handle)
        agent = self._with_embedding(agent)
        agent = replace(
            agent,
            model_settings=self._settings(agent.model_settings),
            extras=agent.extras | self._extras(),
        )
        if self.compaction_settings is not None:
            compaction = self.compaction_settings.applied_to(agent.compaction_settings)
            agent = replace(agent, compaction_settings=compaction)
        return self._with_rules(agent)

    def _with_rules(self, agent: Agent) -> Agent:
        if self.tool_rules is None:
            return agent
        return replace(agent, tool_rules=tuple(rule_from_wire(rule) for rule in self.tool_rules))

    def _with_plain_fields(self, agent: Agent) -> Agent:
        kept = ("name", "system", "metadata", "timezone", "message_buffer_autoclear", "hidden")
        changes: dict[str, Any] = {
            name: getattr(self, name) for name in kept if getattr(self, name) is not None
        }
        if self.tags is not None:
            changes["tags"] = tuple(dict.fromkeys(self.tags))
        if "description" in self.model_fields_set:
            changes["description"] = self.description
        return replace(agent, **changes)

    def _with_model(self, agent: Agent, window_of: WindowOf) -> Agent:
        """A window that was asked for must fit; one that was not is made to."""
        handle = self.model or (self.llm_config.to_handle() if self.llm_config else None)
        asked = self.context_window_limit
        if handle is None and asked is None:
            return agent
        handle = handle or agent.model
        window = window_of(handle)
        if asked is not None and asked > window:
            raise LimitExceeded(
                f"context_window_limit for {handle}", limit=window, actual=asked, unit="tokens"
            )
        wanted = asked or (self.llm_config and self.llm_config.context_window)
        limit = min(wanted or agent.context_window_limit, window)
        return replace(agent, model=handle, context_window_limit=limit)

    def given_secrets(self) -> dict[str, str] | None:
        """The secrets that were given, in either form; None: none were, as before."""
        if self.secrets is None and self.tool_exec_environment_variables is None:
            return None
        return {**(self.tool_exec_environment_variables or {}), **(self.secrets or {})}

    def embedding_handle(self) -> str | None:
        """The embedding model that was asked for, in either form; None: none was.

        Raises:
            InvalidRequest: embedding_config names neither a handle nor a provider.
        """
        if self.embedding is not None:
            return self.embedding or None
        return self.embedding_config.to_handle() if self.embedding_config else None

    def _with_embedding(self, agent: Agent) -> Agent:
        if not {"embedding", "embedding_config"} & self.model_fields_set:
            return agent
        handle = self.embedding_handle()
        in_use = agent.embedding
        if handle is None or in_use is None:
            return replace(agent, embedding=handle, next_embedding=None)
        # searches go on with the vectors there are; the model in use cancels a change
        return replace(agent, next_embedding=None if handle == in_use else handle)

    def _settings(self, settings: ModelSettings) -> ModelSettings:
        """Newer forms win over older ones."""
        if self.llm_config is not None:
            settings = self.llm_config.applied_to(settings)
        if self.max_tokens is not None:
            settings = replace(settings, max_output_tokens=self.max_tokens)
        if self.parallel_tool_calls is not None:
            settings = replace(settings, parallel_tool_calls=self.parallel_tool_calls)
        if self.response_format is not None:
            settings = replace(settings, response_format=self.response_format.to_core())
        if self.model_settings is not None:
            settings = self.model_settings.applied_to(settings)
        return settings

    def _extras(self) -> JsonObject:
        given: JsonObject = {
            name: getattr(self, name) for name in _EXTRAS if name in self.model_fields_set
        }
        if self.model_settings is not None:
            given["model_settings"] = self.model_settings.rest()
        if self.embedding_config is not None:
            given["embedding_config"] = self.embedding_config.rest()
        elif self.embedding is not None:
            given["embedding_config"] = {}
        compaction = self.compaction_settings
        if compaction is not None and "model_settings" in compaction.model_fields_set:
            asked = compaction.model_settings
            given["compaction_model_settings"] = (
                None if asked is None else asked.model_dump(exclude_unset=True)
            )
        return given
