"""The commands of the terminal client: what begins with a slash.

Path: chat -> run_command. One small function per command; each asks the server and prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.local import chat_pages as pages
from remanence.local.chat_agents import create_agent, find_agent
from remanence.local.chat_http import ServerRefused, objects_in, path_part, text_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from remanence.core.exchange import JsonObject
    from remanence.local.chat_agents import ChatAgent, LastAgent
    from remanence.local.chat_http import ChatServer

_FOUND = 5
_AGENTS = 50
# Answers of other servers of the protocol, which have no search over messages.
_NOT_OFFERED = frozenset({400, 404, 405, 501})


@dataclass(slots=True)
class Room:
    """Where a conversation takes place; commands may change the agent."""

    server: ChatServer
    agent: ChatAgent
    console: Console
    last: LastAgent

    @property
    def path(self) -> str:
        """The agent's path at the server."""
        return f"/v1/agents/{path_part(self.agent.id)}"

    def enter(self, agent: ChatAgent) -> None:
        """Go on with another agent."""
        self.agent = agent
        self.last.write(self.server.base_url, agent.id)
        self.tell(f"Now talking to {agent.name} ({agent.model}).")

    def tell(self, text: str) -> None:
        """One line of text."""
        pages.print_line(self.console, text)


def run_command(room: Room, line: str) -> bool:
    """Run a line that begins with a slash; False when it is the wish to leave.

    Raises:
        ServerUnreachable, ServerRefused: the server does not play along.
    """
    name, _, argument = line.strip().partition(" ")
    if name in {"/quit", "/exit", "/q"}:
        return False
    if room.console.is_terminal:
        room.console.print()
    command = _COMMANDS.get(name)
    if command is None:
        room.tell(f"There is no {name}. /help lists the commands.")
    else:
        command.run(room, argument.strip())
    if room.console.is_terminal:
        room.console.print()
    return True


def names() -> list[str]:
    """Every command, as it is typed."""
    return [*_COMMANDS, "/quit"]


def _help(room: Room, _argument: str) -> None:
    rows = [(command.usage, command.meaning) for command in _COMMANDS.values()]
    pages.print_help(room.console, [*rows, ("/quit", "leave")])


def _memory(room: Room, _argument: str) -> None:
    pages.print_memory(room.console, objects_in(room.server.get(f"{room.path}/core-memory/blocks")))


def fetch_blocks(room: Room) -> dict[str, str]:
    """Core memory, label -> value."""
    blocks = objects_in(room.server.get(f"{room.path}/core-memory/blocks"))
    return {text_at(block, "label"): text_at(block, "value") for block in blocks}


def _search(room: Room, text: str) -> None:
    if not text:
        room.tell("Usage: /search TEXT")
        return
    path = f"{room.path}/archival-memory/search"
    answer = room.server.get(path, query=text, top_k=_FOUND)
    results = objects_in(answer.get("results")) if isinstance(answer, dict) else []
    found = [(text_at(hit, "timestamp"), text_at(hit, "content")) for hit in results]
    pages.print_found(room.console, "Archival memory", found)
    try:
        body: JsonObject = {"query": text, "agent_id": room.agent.id, "limit": _FOUND}
        hits = objects_in(room.server.send("POST", "/v1/messages/search", body))
    except ServerRefused as exc:
        if exc.status not in _NOT_OFFERED:
            raise
        room.tell("(this server does not search messages)")
        return
    pages.print_found(room.console, "Conversation", [_message_hit(hit) for hit in hits])


def _message_hit(hit: JsonObject) -> tuple[str, str]:
    who = text_at(hit, "message_type").removesuffix("_message")
    text = text_at(hit, "content") or text_at(hit, "reasoning")
    return text_at(hit, "created_at") or text_at(hit, "date"), f"{who}: {text}"


def _context(room: Room, _argument: str) -> None:
    pages.print_context(room.console, room.server.get(f"{room.path}/context"))


def _agents(room: Room, wanted: str) -> None:
    if not wanted:
        agents = objects_in(room.server.get("/v1/agents/", limit=_AGENTS))
        pages.print_agents(room.console, agents, room.agent.id)
        return
    agent = find_agent(room.server, wanted)
    if agent is None:
        room.tell(f"There is no agent {wanted!r}. /agents lists them, /new {wanted} makes one.")
    else:
        room.enter(agent)


def _new(room: Room, name: str) -> None:
    if not name:
        room.tell("Usage: /new NAME")
    else:
        room.enter(create_agent(room.server, name))


def _reset(room: Room, _argument: str) -> None:
    room.server.send("PATCH", f"{room.path}/reset-messages", {})
    room.tell("The conversation begins anew. Core and archival memory are as they were.")


@dataclass(frozen=True, slots=True)
class _Command:
    run: Callable[[Room, str], None]
    usage: str
    meaning: str


_COMMANDS: dict[str, _Command] = {
    "/help": _Command(_help, "/help", "this list"),
    "/memory": _Command(_memory, "/memory", "core memory: every block, and how full it is"),
    "/search": _Command(_search, "/search TEXT", "search archival memory and the conversation"),
    "/context": _Command(_context, "/context", "what fills the context window"),
    "/agents": _Command(_agents, "/agents [NAME]", "list the agents, or go to another one"),
    "/new": _Command(_new, "/new NAME", "make an agent and go to it"),
    "/reset": _Command(_reset, "/reset", "forget the conversation, keep the memory"),
}
