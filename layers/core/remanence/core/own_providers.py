"""Providers that an organization brings its own keys of. Pure.

Path: db (state of a step, or db.providers) -> here -> llm.tenants opens the keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remanence.core.ids import OrgId

# Of a key, what is shown; of one that is shorter than the other, nothing.
HINT_CHARS = 4
_LEAST_KEY_CHARS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnProvider:
    """One of an organization's providers, with its sealed key.

    Args:
        id: of the provider.
        name: the first part of the handles of its models.
        provider_type: the protocol's name for the kind of provider.
        api_key: a seal, to be opened at `place_of` this provider.
    """

    id: str
    name: str
    provider_type: str
    api_key: str = field(repr=False)


def place_of(org_id: OrgId, provider_id: str, provider_type: str, name: str) -> tuple[str, ...]:
    """What a provider's key is sealed to: one that is moved elsewhere does not open."""
    return (org_id, provider_id, provider_type, name)


def hint_of(api_key: str) -> str:
    """The end of a key, by which its owner knows it again; "" of a short one."""
    return api_key[-HINT_CHARS:] if len(api_key) >= _LEAST_KEY_CHARS else ""
