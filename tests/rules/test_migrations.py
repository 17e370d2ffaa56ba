"""A released migration never changes: databases hold the digest of what was applied to them.

`migrations.sha256` lists name and SHA-256 of each file. `--rewrite` adds the ones that are not
listed yet; a listed one that changed fails, and takes a new migration instead.
"""

from __future__ import annotations

from pathlib import Path

from remanence.db.migrate import read_migrations

LIST = Path(__file__).with_name("migrations.sha256")


def test_migrations_are_the_ones_that_were_released(*, rewrite: bool) -> None:
    listed = listed_in(LIST.read_text())
    found = {migration.name: migration.sha256 for migration in read_migrations()}
    if rewrite:
        listed = found | listed
        LIST.write_text("".join(f"{name} {digest}\n" for name, digest in sorted(listed.items())))

    assert changed(listed, found) == [], "listed files never change: write a new migration"
    assert sorted(found.keys() - listed.keys()) == [], "add it with --rewrite"


def test_changed_or_missing_file_is_found() -> None:
    listed = listed_in("0001_a.sql aa\n0002_b.sql bb\n0003_c.sql cc\n")

    assert changed(listed, {"0001_a.sql": "aa", "0002_b.sql": "xx"}) == ["0002_b.sql", "0003_c.sql"]


def listed_in(text: str) -> dict[str, str]:
    """Name -> digest."""
    pairs = [line.split() for line in text.splitlines()]
    return {pair[0]: pair[1] for pair in pairs}


def changed(listed: dict[str, str], found: dict[str, str]) -> list[str]:
    return [name for name, digest in listed.items() if found.get(name) != digest]
