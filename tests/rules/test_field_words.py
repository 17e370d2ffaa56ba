"""Every public field says what it means, in which unit, and more than its own name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from remanence.api.document import fields_of, parameters_of
from remanence.api.wire import words

DOCUMENT = json.loads((Path(__file__).parents[2] / "infra/openapi.json").read_text())
# What a number may be counted in.
UNIT = re.compile(
    r"token|character|second|\bms\b|\bns\b|byte|how many|how much|how far|how freely|number|count"
    r"|limit|share|score|rank|place|price|\d|times|always|null|without effect|not used|nothing"
    r"|messages|model calls|results|spans|agents|larger|version|not served|dollar|summaries",
    re.IGNORECASE,
)
# Words that say nothing beside a name.
_EMPTY = frozenset(["a", "an", "and", "for", "is", "it", "its", "of", "or", "the", "this", "to"])


def described() -> list[tuple[str, str, dict[str, Any]]]:
    """Where it stands, its name, and its schema with its description."""
    fields = [(f"{kind}.{name}", name, schema) for kind, name, schema in fields_of(DOCUMENT)]
    return fields + [
        (f"parameter {each['name']}", each["name"], each["schema"] | each)
        for each in parameters_of(DOCUMENT)
    ]


def types_in(schema: dict[str, Any]) -> set[str]:
    """The types that a value may have."""
    return {str(each.get("type")) for each in [schema, *schema.get("anyOf", [])]}


def test_every_field_is_described() -> None:
    silent = sorted({where for where, _, schema in described() if not schema.get("description")})

    assert silent == [], "say it in the type, or for many in api/wire/words.py"


def test_description_says_more_than_the_name() -> None:
    assert [where for where, name, schema in described() if _parrots(name, schema)] == []


def test_number_has_its_unit() -> None:
    assert [
        where
        for where, name, schema in described()
        if types_in(schema) & {"integer", "number"}
        and not UNIT.search(f"{name}: {schema.get('description', '')}")
    ] == []


def test_no_word_is_left_over() -> None:
    fields = {f"{kind}.{name}" for kind, name, _ in fields_of(DOCUMENT)}
    names = {name for _, name, _ in fields_of(DOCUMENT)}
    parameters = {each["name"] for each in parameters_of(DOCUMENT)}

    assert set(words.SPECIFIC) - fields == set()
    assert set(words.COMMON) - names - parameters == set()
    assert set(words.PARAMETERS) - parameters == set()


def _parrots(name: str, schema: dict[str, Any]) -> bool:
    said = set(re.findall(r"[a-z]+", schema.get("description", "").lower())) - _EMPTY
    return said <= set(name.split("_")) | {name}
