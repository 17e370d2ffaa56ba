"""Which agent the terminal talks to: the named one, the last one, or a new companion.

Path: chat -> choose_agent. The last one of each server is remembered in `chat.json` in
REMANENCE_HOME, so that a conversation goes on where it was left.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from remanence.local.chat_http import ServerRefused, objects_in, path_part, text_at

if TYPE_CHECKING:
    from pathlib import Path

    from remanence.core.exchange import JsonObject, JsonValue
    from remanence.local.chat_http import ChatServer

COMPANION = "companion"
_PERSONA = (
    "I am a companion who remembers. I am warm, curious and brief, and I keep what I learn about "
    "the person I talk with in my memory."
)
# A block is sent with every message: large enough for a person, too small for a diary.
_BLOCK_CHARS = 5_000
# What a new agent gets beside the tools that every agent has.
_TOOLS = ("archival_memory_insert", "archival_memory_search", "conversation_search")


@dataclass(frozen=True, slots=True)
class ChatAgent:
    """The agent at the other end. `is_new`: it was made for this conversation."""

    id: str
    name: str
    model: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class LastAgent:
    """The file that remembers whom one talked to, per server; a broken one counts as empty."""

    file: Path

    def read(self, base_url: str) -> str | None:
        """The id of the last agent at this server."""
        return self._all().get(base_url)

    def write(self, base_url: str, agent_id: str) -> None:
        """Remember an agent; a home that cannot be written to is no reason to stop talking."""
        known = self._all() | {base_url: agent_id}
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.file.write_text(json.dumps(known, indent=2), encoding="utf-8")
        except OSError:
            return

    def _all(self) -> dict[str, str]:
        try:
            value: object = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        pairs = cast("dict[str, object]", value).items() if isinstance(value, dict) else ()
        return {url: agent_id for url, agent_id in pairs if isinstance(agent_id, str)}


def choose_agent(server: ChatServer, wanted: str | None, last: LastAgent) -> ChatAgent | None:
    """The agent to talk to, remembered as the last one.

    Args:
        server: where agents live.
        wanted: an id or a name; None: the last one, else the companion, made if need be.
        last: whom one talked to before.

    Returns:
        None when `wanted` names nobody.

    Raises:
        ServerUnreachable, ServerRefused: the server cannot tell.
    """
    if wanted is not None:
        agent = find_agent(server, wanted)
    else:
        agent = (
            _by_id(server, last.read(server.base_url) or "")
            or _by_name(server, COMPANION)
            or create_agent(server, COMPANION)
        )
    if agent is not None:
        last.write(server.base_url, agent.id)
    return agent


def find_agent(server: ChatServer, wanted: str) -> ChatAgent | None:
    """The agent with this id or name, or None."""
    return _by_id(server, wanted) or _by_name(server, wanted)


def _by_id(server: ChatServer, agent_id: str) -> ChatAgent | None:
    if not agent_id.startswith("agent-"):
        return None
    try:
        return _agent(server.get(f"/v1/agents/{path_part(agent_id)}"))
    except ServerRefused as exc:
        if exc.status in {404, 422}:  # unknown, or not an id at all
            return None
        raise


def _by_name(server: ChatServer, name: str) -> ChatAgent | None:
    found = objects_in(server.get("/v1/agents/", name=name, limit=1))
    return _agent(found[0]) if found else None


def create_agent(server: ChatServer, name: str) -> ChatAgent:
    """A new agent with memory of a person, a persona, and archival memory."""
    body: JsonObject = {
        "name": name,
        "memory_blocks": [
            {"label": "human", "value": "", "limit": _BLOCK_CHARS},
            {"label": "persona", "value": _PERSONA, "limit": _BLOCK_CHARS},
        ],
        "tools": [*_TOOLS],
    }
    return _agent(server.send("POST", "/v1/agents/", body), is_new=True)


def _agent(value: JsonValue, *, is_new: bool = False) -> ChatAgent:
    return ChatAgent(
        id=text_at(value, "id"),
        name=text_at(value, "name") or "(no name)",
        model=text_at(value, "model") or text_at(value, "llm_config", "handle"),
        is_new=is_new,
    )
