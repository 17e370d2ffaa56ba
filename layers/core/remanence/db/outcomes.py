"""What the functions of the catalog answer: the value asked for, or why there is none.

Path: db/catalog_*.py -> call_catalog -> db/sql -> migrations/0004.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from remanence.errors import AppError, Conflict, LimitExceeded, NotFound

if TYPE_CHECKING:
    from remanence.db.queries import Queries, Row


class Stale(AppError):
    """The row is no longer the one the caller has read; nothing was written. Never leaves db.

    `answer` may show it as it is.
    """

    def __init__(self, name: str, answer: Row) -> None:
        super().__init__(name)
        self.answer = answer


def call_catalog(queries: Queries, name: str, **call: object) -> Row:
    """The answer of one call.

    Raises:
        NotFound: one of the things it names.
        Conflict: it contradicts what is stored.
        LimitExceeded: a value is longer than its limit.
        Stale: somebody else was faster.
    """
    return checked(queries.call(name, call=json.dumps(call)), name)


def checked(answer: Row, name: str) -> Row:
    """What statement `name` answered.

    Raises:
        AppError: as `call_catalog`.
    """
    match answer["outcome"]:
        case "ok":
            return answer
        case "not_found":
            raise NotFound(answer["kind"], answer["id"])
        case "conflict":
            raise Conflict(answer["message"])
        case "limit":
            raise LimitExceeded(
                answer["what"], limit=answer["limit"], actual=answer["actual"], unit="characters"
            )
        case "stale":
            raise Stale(name, answer)
        case other:
            raise ValueError(f"{name} answered {other!r}")
