"""Seals: what opens them, what does not, and that nothing of a value or key is ever shown."""

from __future__ import annotations

import base64
import os
import stat
from typing import TYPE_CHECKING

import pytest

from remanence.errors import NotSupported, SealBroken
from remanence.local.home import own_secrets_key
from remanence.sealing import Sealer, read_keys
from remanence.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

PLACE = ("org-1", "agent-1", "TOKEN")
FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))


def test_seal_opens_to_the_text_at_its_place() -> None:
    sealer = Sealer([FIRST])

    sealed = sealer.seal("pässwörd", *PLACE)

    assert sealer.open(sealed, *PLACE) == "pässwörd"
    assert "pässwörd" not in sealed


def test_seals_of_the_same_text_differ() -> None:
    sealer = Sealer([FIRST])

    assert sealer.seal("same", *PLACE) != sealer.seal("same", *PLACE)


@pytest.mark.parametrize(
    "place",
    [
        ("org-2", "agent-1", "TOKEN"),
        ("org-1", "agent-2", "TOKEN"),
        ("org-1", "agent-1", "OTHER"),
        ("org-1", "agent-1", "TOK", "EN"),
    ],
)
def test_seal_does_not_open_at_another_place(place: tuple[str, ...]) -> None:
    sealer = Sealer([FIRST])
    sealed = sealer.seal("hush", *PLACE)

    with pytest.raises(SealBroken) as caught:
        sealer.open(sealed, *place)

    assert "hush" not in str(caught.value)


def test_seal_that_was_changed_anywhere_does_not_open() -> None:
    sealer = Sealer([FIRST])
    form, name, body = sealer.seal("hush", *PLACE).split(":")
    raw = base64.b64decode(body)

    for at in range(len(raw)):
        forged = bytearray(raw)
        forged[at] ^= 1
        with pytest.raises(SealBroken):
            sealer.open(f"{form}:{name}:{base64.b64encode(forged).decode()}", *PLACE)


@pytest.mark.parametrize("sealed", ["", "hush", "gcm1:", "gcm2:{name}:AAAA", "gcm1:{name}:?"])
def test_text_that_is_no_seal_does_not_open(sealed: str) -> None:
    sealer = Sealer([FIRST])
    name = sealer.seal("hush", *PLACE).split(":")[1]

    with pytest.raises(SealBroken):
        sealer.open(sealed.format(name=name), *PLACE)


def test_older_keys_open_and_the_first_one_seals() -> None:
    old = Sealer([FIRST]).seal("hush", *PLACE)
    moved = Sealer([SECOND, FIRST])

    assert moved.open(old, *PLACE) == "hush"
    assert Sealer([SECOND]).open(moved.seal("hush", *PLACE), *PLACE) == "hush"
    with pytest.raises(SealBroken, match="not in REMANENCE_SECRETS_KEY"):
        Sealer([SECOND]).open(old, *PLACE)


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(NotSupported, match="REMANENCE_SECRETS_KEY") as caught:
        Sealer([]).seal("hush", *PLACE)

    assert "hush" not in str(caught.value)


def test_keys_are_read_as_base64_and_as_hex() -> None:
    text = f"{base64.b64encode(FIRST).decode()}, {SECOND.hex()}\n"

    assert read_keys(text) == [FIRST, SECOND]
    assert read_keys("  ") == []


@pytest.mark.parametrize("text", ["short", "00" * 31, "zz" * 32, base64.b64encode(b"x").decode()])
def test_key_of_another_length_is_a_problem_at_start_that_does_not_show_it(text: str) -> None:
    with pytest.raises(Exception, match="REMANENCE_SECRETS_KEY: key 1") as caught:
        Settings.from_env({"REMANENCE_SECRETS_KEY": text})

    assert text not in str(caught.value)


def test_sealer_does_not_show_its_keys() -> None:
    shown = repr(Sealer([FIRST]))

    assert FIRST.hex() not in shown
    assert base64.b64encode(FIRST).decode() not in shown


def test_laptop_makes_its_key_once_and_for_its_owner_only(tmp_path: Path) -> None:
    made = own_secrets_key(tmp_path)

    assert own_secrets_key(tmp_path) == made
    assert len(read_keys(made)) == 1
    assert stat.S_IMODE(os.stat(tmp_path / "secrets.key").st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.key"]
