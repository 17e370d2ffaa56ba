"""Sealing what is stored but must not be readable in the database: AES-256-GCM.

Beside the main path: wiring makes a Sealer from REMANENCE_SECRETS_KEY; api seals what callers
give, engine opens it where it is used. A seal is bound to the place it was made for, so one that
is copied to another row does not open there.
Without a key nothing is sealed and nothing is stored: there is no plain form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from typing import TYPE_CHECKING

from remanence.errors import NotSupported, SealBroken

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_BYTES = 32
HOW_TO_MAKE = "openssl rand -base64 32"

# What a seal begins with: the form, then which key it needs.
_FORM = "gcm1"
_NONCE_BYTES = 12  # what AES-GCM is specified for; random, so one key is good for 2**32 seals


class Sealer:
    """Seals with the first of its keys, and opens with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {_name_of(key): key for key in keys}
        self._first = keys[0] if keys else None

    def __repr__(self) -> str:
        """Without its keys."""
        return f"Sealer(keys={list(self._keys)})"

    @property
    def has_keys(self) -> bool:
        """Whether it can seal, and so whether anything sealed may be stored."""
        return self._first is not None

    def seal(self, plain: str, *place: str) -> str:
        """The sealed form of a text, to be opened at the same place only.

        Args:
            plain: what nobody may read in the database.
            place: whose it is, such as organization, agent and name.

        Raises:
            NotSupported: this deployment has no key.
        """
        if self._first is None:
            raise NotSupported(
                "nothing can be kept secret here, so nothing was stored: set REMANENCE_SECRETS_KEY"
                f" to {KEY_BYTES} random bytes ({HOW_TO_MAKE}) and start again"
            )
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  loads OpenSSL

        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + AESGCM(self._first).encrypt(nonce, plain.encode(), _bound(place))
        return ":".join((_FORM, _name_of(self._first), base64.b64encode(sealed).decode()))

    def open(self, sealed: str, *place: str) -> str:
        """The text of a seal that was made for this place.

        Raises:
            SealBroken: it was made with another key or for another place, or was changed.
        """
        form, _, rest = sealed.partition(":")
        name, _, body = rest.partition(":")
        key = self._keys.get(name)
        if form != _FORM or key is None:
            raise SealBroken(
                f"{place[-1]!r} was sealed with the key {name or '?'}, which is not in"
                " REMANENCE_SECRETS_KEY: add it behind the present one, or set the value anew"
            )
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  loads OpenSSL
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        try:
            raw = base64.b64decode(body, validate=True)
            return (
                AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(place)).decode()
            )
        except (InvalidTag, ValueError):  # ValueError: cut short, or not base64
            raise SealBroken(
                f"the stored value of {place[-1]!r} was changed or moved: set it anew"
            ) from None


def read_keys(text: str) -> list[bytes]:
    """The keys of REMANENCE_SECRETS_KEY: the present one first, then those that still open.

    Args:
        text: keys in base64 or hex, with blanks or commas between them.

    Raises:
        ValueError: one is not 32 bytes; the message says which, and never shows it.
    """
    return [_read_key(word, place) for place, word in enumerate(text.replace(",", " ").split(), 1)]


def _read_key(word: str, place: int) -> bytes:
    try:
        is_hex = len(word) == 2 * KEY_BYTES
        key = bytes.fromhex(word) if is_hex else base64.b64decode(word, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"key {place} of it must be {KEY_BYTES} bytes in base64 or hex ({HOW_TO_MAKE})"
        )
    return key


def _name_of(key: bytes) -> str:
    """What tells keys apart without saying anything about them."""
    return hashlib.sha256(b"remanence:" + key).hexdigest()[:8]


def _bound(place: tuple[str, ...]) -> bytes:
    return json.dumps(place).encode()
