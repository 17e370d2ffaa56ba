"""Providers as the protocol shows them, and as callers bring keys of them.

Path: routes/providers.py -> here -> db/providers.py. A key goes in, and never comes out again.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from remanence.api.wire.bodies import WriteBody
from remanence.core.ids import OrgId
from remanence.db.providers import StoredProvider

# What a header can hold, without blanks.
ApiKey = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[\x21-\x7e]+$", max_length=4096),
    Field(description="The key. It is stored sealed, and never shown."),
]
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64),
    Field(
        description="The first part of the handles of its models. A kind's own name, such as"
        " `openai`, puts this key in the place of the deployment's."
    ),
]
ProviderType = Annotated[str, Field(max_length=64, description="The kind of provider.")]
BaseUrl = Annotated[
    str | None,
    Field(description="Where it is; only what this deployment has for this kind is taken."),
]


class ProviderState(BaseModel):
    """A provider that the organization brought a key of."""

    id: str = Field(description="The provider's id.")
    name: str = Field(description="The first part of the handles of its models.")
    provider_type: str = Field(description="The kind of provider.")
    provider_category: Literal["byok"] = Field(default="byok", description="Always byok.")
    api_key: None = Field(default=None, description="Always null: a key is never shown.")
    api_key_hint: str = Field(description='The last four characters of the key; "" of a short one.')
    base_url: str | None = Field(description="Where its key goes; null: nowhere at present.")
    organization_id: str
    created_at: datetime
    updated_at: datetime


def provider_to_wire(stored: StoredProvider, org_id: OrgId, base_url: str | None) -> ProviderState:
    """A provider as the protocol shows it."""
    return ProviderState(
        id=stored.own.id,
        name=stored.own.name,
        provider_type=stored.own.provider_type,
        api_key_hint=stored.api_key_hint,
        base_url=base_url,
        organization_id=org_id,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
    )


class CreateProvider(WriteBody):
    """A new provider."""

    name: Name
    provider_type: ProviderType
    api_key: ApiKey
    base_url: BaseUrl = None


class UpdateProvider(WriteBody):
    """A new key for a provider."""

    api_key: ApiKey
    base_url: BaseUrl = None


class CheckProvider(WriteBody):
    """A key to be tried."""

    provider_type: ProviderType
    api_key: ApiKey
    base_url: BaseUrl = None
