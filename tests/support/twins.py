"""Two servers over one database: what one process began, another one sees, stops and answers."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.server import MODEL, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.pg import Database
    from support.server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Two servers, and the official client pointed at each."""

    here: Server
    there: Server
    client: Letta
    other: Letta


@contextmanager
def twins(database: Database, **options: Any) -> Generator[Twins]:
    """Two servers over one database; options are those of `serving`."""
    with (
        serving(database, **options) as here,
        serving(database, **options) as there,
        here.client() as client,
        there.client() as other,
    ):
        yield Twins(here=here, there=there, client=client, other=other)


def new_agent(client: Letta, **fields: Any) -> AgentState:
    """An agent of the scripted model, with a block to edit."""
    block = {"label": "human", "value": "Name: Bob"}
    return client.agents.create(
        **({"name": uuid.uuid4().hex, "model": MODEL, "memory_blocks": [block]} | fields)
    )


def kinds(messages: Iterable[Any]) -> list[str]:
    """The types of wire messages, in order."""
    return [message.message_type for message in messages]


def wait_for(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """The first true value of the condition."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return value
