"""Fields that a body has and its type does not: the one rule for everything that is written.

Path: every body that makes or changes something kept is a WriteBody.
An SDK may be newer than this server, so what is unknown is ignored. But what looks like a slip of
the pen would be lost without anybody noticing, and so would a body of which nothing is known: both
are refused, and nothing is written.
"""

from collections.abc import Collection
from difflib import get_close_matches
from functools import cache
from typing import Any, cast

from pydantic import AliasChoices, BaseModel, model_validator
from pydantic_core import PydanticCustomError

# How alike two names are (difflib's ratio) for one to be taken as the other misspelt.
_ALIKE = 0.85


class WriteBody(BaseModel):
    """A body that makes or changes something."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_would_be_lost(cls, given: Any) -> Any:
        if isinstance(given, dict):
            names = cast("dict[str, Any]", given)  # of JSON, so its keys are strings
            _check(names, _known_of(cls))
        return given  # pyright: ignore[reportUnknownVariableType]  whatever it is


def _check(given: Collection[str], known: frozenset[str]) -> None:
    unknown = [name for name in given if name not in known]
    for name in unknown:
        for meant in get_close_matches(name, known, n=1, cutoff=_ALIKE):
            if meant not in given:
                raise PydanticCustomError(
                    "misspelt_field", "{name} is no field here: {meant} is", _words(name, meant)
                )
    if unknown and len(unknown) == len(given):
        raise PydanticCustomError(
            "nothing_known",
            "nothing of it is a field here, so nothing would be written ({name} ...)",
            _words(unknown[0], ""),
        )


def _words(name: str, meant: str) -> dict[str, Any]:
    return {"name": repr(name[:100]), "meant": repr(meant)}


@cache
def _known_of(kind: type[BaseModel]) -> frozenset[str]:
    """The names a field may be given under."""
    known: set[str] = set()
    for name, info in kind.model_fields.items():
        known.add(name)
        if isinstance(info.validation_alias, str):
            known.add(info.validation_alias)
        elif isinstance(info.validation_alias, AliasChoices):
            known |= {choice for choice in info.validation_alias.choices if isinstance(choice, str)}
    return frozenset(known)
