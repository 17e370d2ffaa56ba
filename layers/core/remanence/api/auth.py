"""Who is calling: the one place that looks at the key a caller sends.

Path: the gate (api/gate.py) asks `authenticate` before anything else of a request is read.
A deployment without tenants has one organization; every call passes `actor.org_id` all the same.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from remanence.core.ids import DEFAULT_ORG_ID, DEFAULT_USER_ID, OrgId
from remanence.errors import NotAuthenticated

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """An authenticated caller."""

    org_id: OrgId
    user_id: str


_ONLY_ACTOR = Actor(org_id=DEFAULT_ORG_ID, user_id=DEFAULT_USER_ID)


def authenticate(headers: Headers, api_key: str | None) -> Actor:
    """The caller of a request with these raw headers; without a configured key, everybody.

    Both forms of the protocol are taken: `Authorization: Bearer <key>` and the retired server's
    `X-BARE-PASSWORD: password <key>`.

    Raises:
        NotAuthenticated: a key is configured and the caller did not send it.
    """
    if api_key is None:
        return _ONLY_ACTOR
    wanted = api_key.encode()
    for name, value in headers:
        scheme = {b"authorization": b"bearer", b"x-bare-password": b"password"}.get(name.lower())
        given_scheme, _, given = value.partition(b" ")
        if scheme == given_scheme.lower() and hmac.compare_digest(given.strip(), wanted):
            return _ONLY_ACTOR
    raise NotAuthenticated("Unauthorized")
