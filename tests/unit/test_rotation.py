"""What is made from secrets follows them, no later than it promises."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from remanence.errors import SettingsError
from remanence.rotation import MAX_AGE_S, RETRY_S, Rotating


@dataclass
class Vault:
    """Secrets, a clock, and what was made of them."""

    secrets: dict[str, str] = field(default_factory=lambda: {"KEY": "one"})
    now: float = 0.0
    reads: int = 0
    is_away: bool = False
    discarded: list[str] = field(default_factory=list)

    def read(self) -> dict[str, str]:
        self.reads += 1
        if self.is_away:
            raise SettingsError(["SSM is away"])
        return dict(self.secrets)

    def rotating(self) -> Rotating[str]:
        return Rotating(
            read=self.read,
            make=lambda env: _made(env["KEY"]),
            discard=self.discarded.append,
            clock=lambda: self.now,
        )


def _made(key: str) -> str:
    if key == "bad":
        raise SettingsError(["KEY is bad"])
    return f"made of {key}"


def test_secrets_are_read_once_until_they_are_old() -> None:
    vault = Vault()
    rotating = vault.rotating()

    for vault.now in (0.0, 1.0, MAX_AGE_S - 1):
        assert rotating.current() == "made of one"

    assert vault.reads == 1


def test_changed_secrets_are_followed_when_they_are_old() -> None:
    vault = Vault()
    rotating = vault.rotating()
    rotating.current()
    vault.secrets = {"KEY": "two"}

    assert rotating.current() == "made of one"
    vault.now = MAX_AGE_S

    assert rotating.current() == "made of two"
    assert vault.discarded == ["made of one"]


def test_unchanged_secrets_keep_what_was_made() -> None:
    vault = Vault()
    rotating = vault.rotating()
    first = rotating.current()
    vault.now = MAX_AGE_S

    assert rotating.current() is first
    assert (vault.reads, vault.discarded) == (2, [])


def test_secrets_that_cannot_be_read_leave_what_there_is_and_are_tried_again() -> None:
    vault = Vault()
    rotating = vault.rotating()
    rotating.current()
    vault.now, vault.is_away, vault.secrets = MAX_AGE_S, True, {"KEY": "two"}

    assert rotating.current() == "made of one"
    vault.is_away = False
    assert rotating.current() == "made of one"
    vault.now += RETRY_S
    assert rotating.current() == "made of two"


def test_secrets_that_cannot_be_used_leave_what_there_is() -> None:
    vault = Vault()
    rotating = vault.rotating()
    rotating.current()
    vault.now, vault.secrets = MAX_AGE_S, {"KEY": "bad"}

    assert rotating.current() == "made of one"
    assert vault.discarded == []


def test_no_secrets_at_the_start_is_an_error() -> None:
    with pytest.raises(SettingsError, match="away"):
        Vault(is_away=True).rotating().current()
