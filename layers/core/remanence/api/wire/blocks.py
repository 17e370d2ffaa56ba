"""Blocks as the protocol shows them, and as callers make and change them.

Path: routes/blocks.py, agent_blocks.py and wire/agents.py -> here -> core Block.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from pydantic_core import PydanticCustomError

from remanence.api.wire.bodies import WriteBody
from remanence.core.builtin import DEFAULT_BLOCK_DESCRIPTIONS, DEFAULT_BLOCK_LIMIT_CHARS
from remanence.core.exchange import JsonObject
from remanence.core.ids import DEFAULT_USER_ID, BlockId
from remanence.core.types import Block
from remanence.errors import LimitExceeded

_MAX_LIMIT = 2**31 - 1

# As the agent's own tools have it (core.blocks): a label names a tag of the prompt.
_LABEL = re.compile(r"\w[\w.:/-]{0,99}")


def _checked_label(label: str) -> str:
    if not _LABEL.fullmatch(label):
        raise PydanticCustomError(
            "label",
            "must be one word of up to 100 letters, digits and _ . : / -, and begin with a letter, "
            "a digit or _",
        )
    return label


Label = Annotated[str, AfterValidator(_checked_label)]
# Tags are indexed, and an entry of an index has to fit a page.
Tag = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class BlockState(BaseModel):
    """A labelled piece of core memory."""

    id: str = Field(description="The block's id.")
    label: str | None = Field(description="Its name in the context; unique per agent.")
    value: str = Field(description="What it holds.")
    limit: int | None = Field(description="Characters the value may have.")
    description: str | None = Field(description="Tells the agent what belongs into it.")
    read_only: bool = Field(description="The agent may not change it; this API may.")
    metadata: dict[str, Any] = Field(description="The caller's own.")
    tags: list[str] = Field(description="To find it by.")
    hidden: bool | None = Field(description="Left out of lists.")
    created_by_id: str | None = DEFAULT_USER_ID
    last_updated_by_id: str | None = DEFAULT_USER_ID
    is_template: bool = False
    template_name: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    preserve_on_migration: bool | None = False
    project_id: str | None = None


# Fields of the protocol without behaviour here: stored, and read back.
_EXTRAS = (
    "is_template",
    "template_name",
    "template_id",
    "base_template_id",
    "deployment_id",
    "entity_id",
    "preserve_on_migration",
    "project_id",
)


def block_to_wire(block: Block) -> BlockState:
    """A block as the protocol shows it."""
    shown = BlockState(
        id=block.id,
        label=block.label,
        value=block.value,
        limit=block.limit,
        description=block.description,
        read_only=block.read_only,
        metadata=block.metadata,
        tags=list(block.tags),
        hidden=block.hidden,
    )
    return shown.model_copy(
        update={n: v for n, v in block.extras.items() if n in _EXTRAS and not _is_unset(n, v)}
    )


def _is_unset(name: str, value: object) -> bool:
    """Whether this is the null that some clients send for what is never null."""
    return name == "is_template" and value is None


class BlockExtras(WriteBody):
    """Fields of the protocol that are stored and read back, without effect."""

    is_template: bool | None = None
    template_name: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    preserve_on_migration: bool | None = None
    project_id: str | None = None

    def extras(self) -> JsonObject:
        """Those that were given."""
        given = {name: getattr(self, name) for name in _EXTRAS if name in self.model_fields_set}
        return {name: value for name, value in given.items() if not _is_unset(name, value)}


class CreateBlock(BlockExtras):
    """A new block."""

    label: Label = Field(description="Its name in the context; unique per agent.")
    value: str = Field(description="What it holds.")
    limit: int = Field(
        default=DEFAULT_BLOCK_LIMIT_CHARS,
        ge=1,
        le=_MAX_LIMIT,
        description="Characters the value may have.",
    )
    description: str | None = Field(
        default=None,
        description="Tells the agent what belongs into it; human and persona have one.",
    )
    read_only: bool = Field(default=False, description="The agent may not change it.")
    metadata: dict[str, Any] | None = Field(default=None, description="The caller's own.")
    tags: list[Tag] | None = Field(default=None, description="To find it by.")
    hidden: bool | None = Field(default=None, description="Left out of lists.")

    def to_core(self, block_id: str) -> Block:
        """The block to be made.

        Raises:
            LimitExceeded: its value is longer than its limit.
        """
        if len(self.value) > self.limit:
            raise LimitExceeded(
                f"the value of block {self.label!r}",
                limit=self.limit,
                actual=len(self.value),
                unit="characters",
            )
        return Block(
            id=BlockId(block_id),
            label=self.label,
            value=self.value,
            limit=self.limit,
            description=self.description or DEFAULT_BLOCK_DESCRIPTIONS.get(self.label),
            read_only=self.read_only,
            metadata=self.metadata or {},
            tags=tuple(self.tags or ()),
            hidden=bool(self.hidden),
            extras=self.extras(),
        )


class UpdateBlock(BlockExtras):
    """Changes of a block: what is left out stays as it is."""

    label: Label | None = Field(default=None, description="Its name in the context.")
    value: str | None = Field(default=None, description="What it holds.")
    limit: int | None = Field(
        default=None, ge=1, le=_MAX_LIMIT, description="Characters the value may have."
    )
    description: str | None = Field(default=None, description="null: none.")
    read_only: bool | None = Field(default=None, description="The agent may not change it.")
    metadata: dict[str, Any] | None = Field(default=None, description="The caller's own.")
    tags: list[Tag] | None = Field(default=None, description="To find it by.")
    hidden: bool | None = Field(default=None, description="Left out of lists.")

    base_version: int | None = Field(
        default=None,
        ge=1,
        lt=2**31,
        description="The version that was read and edited: what others changed since then stays, "
        "texts are merged by lines; 409 with both sides where they changed the same.",
    )

    def to_row(self) -> JsonObject:
        """The columns to change; null where a column must have a value is no change."""
        changes: JsonObject = {
            name: getattr(self, name)
            for name in ("label", "value", "limit", "read_only", "metadata", "tags", "hidden")
            if getattr(self, name) is not None
        }
        if "description" in self.model_fields_set:
            changes["description"] = self.description
        changes["extras"] = self.extras()
        return changes
