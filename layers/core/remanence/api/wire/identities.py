"""Identities as the protocol shows them, and as callers make and change them.

Path: routes/identities.py -> here -> db/identities.py.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from remanence.api.ids import of_kind
from remanence.api.wire.bodies import WriteBody
from remanence.core.exchange import JsonObject, JsonValue
from remanence.db.identities import Identity, IdentityType, IdentityWrite

Key = Annotated[
    str, Field(min_length=1, max_length=500, description="The caller's own id of it; unique.")
]
Name = Annotated[str, Field(min_length=1, max_length=500, description="Need not be unique.")]
AgentIds = list[Annotated[str, of_kind("agent")]]
BlockIds = list[Annotated[str, of_kind("block")]]


class IdentityProperty(BaseModel):
    """One thing that is known of an identity."""

    key: str = Field(min_length=1, max_length=500)
    value: bool | float | str | dict[str, Any]
    type: Literal["string", "number", "boolean", "json"]


class IdentityState(BaseModel):
    """Somebody or something outside that agents and blocks belong to."""

    id: str = Field(description="The identity's id.")
    identifier_key: str = Field(description="The caller's own id of it.")
    name: str
    identity_type: IdentityType
    project_id: str | None
    properties: list[dict[str, Any]]
    agent_ids: list[str] = Field(description="The 500 newest agents attached to it.")
    block_ids: list[str] = Field(description="The 500 newest blocks attached to it.")


def identity_to_wire(identity: Identity) -> IdentityState:
    """An identity as the protocol shows it."""
    return IdentityState(
        id=identity.id,
        identifier_key=identity.identifier_key,
        name=identity.name,
        identity_type=identity.identity_type,
        project_id=identity.project_id,
        properties=list(identity.properties),
        agent_ids=list(identity.agent_ids),
        block_ids=list(identity.block_ids),
    )


class CreateIdentity(WriteBody):
    """A new identity."""

    identifier_key: Key
    name: Name
    identity_type: IdentityType
    project_id: str | None = Field(default=None, description="Keys are unique in it.")
    properties: list[IdentityProperty] | None = None
    agent_ids: AgentIds | None = Field(default=None, description="Agents to attach to it.")
    block_ids: BlockIds | None = Field(default=None, description="Blocks to attach to it.")

    def to_write(self) -> IdentityWrite:
        """All of its columns."""
        return IdentityWrite(
            columns={
                "identifier_key": self.identifier_key,
                "name": self.name,
                "identity_type": self.identity_type,
                "project_id": self.project_id,
                "properties": properties_to_row(self.properties or ()),
            },
            agent_ids=self.agent_ids,
            block_ids=self.block_ids,
        )


class UpdateIdentity(WriteBody):
    """Changes of an identity: what is left out stays as it is."""

    identifier_key: Key | None = None
    name: Name | None = None
    identity_type: IdentityType | None = None
    properties: list[IdentityProperty] | None = Field(default=None, description="All of them.")
    agent_ids: AgentIds | None = Field(default=None, description="All that are attached to it.")
    block_ids: BlockIds | None = Field(default=None, description="All that are attached to it.")

    def to_write(self) -> IdentityWrite:
        """The columns to set."""
        plain = ("identifier_key", "name", "identity_type")
        columns: JsonObject = {
            name: getattr(self, name) for name in plain if getattr(self, name) is not None
        }
        if self.properties is not None:
            columns["properties"] = properties_to_row(self.properties)
        return IdentityWrite(columns=columns, agent_ids=self.agent_ids, block_ids=self.block_ids)


def properties_to_row(properties: Sequence[IdentityProperty]) -> list[JsonValue]:
    """Properties as they are stored: of one key the last."""
    return [*{each.key: each.model_dump() for each in properties}.values()]
