"""`remanence chat`: talking to an agent in a terminal, over HTTP like any other client.

Path: cli -> run_chat -> (choose_agent, then per message: stream -> RunReader -> ChatView).
Works without a terminal too: reads lines, prints plainly, and leaves at the end of the input.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from remanence.local.chat_agents import LastAgent, choose_agent
from remanence.local.chat_commands import Room, fetch_blocks, run_command
from remanence.local.chat_http import (
    ChatServer,
    ServerRefused,
    ServerUnreachable,
    objects_in,
    text_at,
)
from remanence.local.chat_prompt import piped_lines, typed_lines
from remanence.local.chat_run import RunReader
from remanence.local.chat_view import ChatView
from remanence.local.chat_wrap import harmless
from remanence.local.home import home_of
from remanence.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from types import FrameType

    from remanence.core.exchange import JsonObject

# Of the last exchange, as much as reminds one of it.
_REMINDER_CHARS = 200
_LOOKED_AT = 20


def run_chat(base_url: str, api_key: str | None, agent: str | None) -> int:
    """Talk to an agent until the input ends.

    Args:
        base_url: of the server, without `/v1`.
        api_key: sent as a bearer token; None: none.
        agent: id or name; None: the last one at this server, else a companion is made.

    Returns:
        The exit code: 0; 1 when the server cannot be reached, there is no such agent, or, with
        piped input, anything failed on the way.
    """
    home = _home()
    console = _console()
    room = _enter(ChatServer(base_url, api_key), agent, console, LastAgent(home / "chat.json"))
    if room is None:
        return 1
    is_typed = sys.stdin.isatty() and console.is_terminal
    if is_typed:
        _greet(room)
    view = ChatView(console)
    lines = typed_lines(home, lambda: _toolbar(room)) if is_typed else piped_lines()
    for line in lines:
        if not line.strip():
            continue
        if not is_typed:
            console.print(Text(f"> {line}"), soft_wrap=True)
        if not _answer(room, view, line):
            break
    # A person has seen what went wrong; a script has to be told.
    return 1 if view.has_failed and not is_typed else 0


def _home() -> Path:
    return home_of(Settings.from_env(os.environ).home)


def _console() -> Console:
    """Standard output; signs that it cannot show become question marks instead of a crash."""
    stdout: object = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="replace")
    return Console(highlight=False)


def _enter(
    server: ChatServer, wanted: str | None, console: Console, last: LastAgent
) -> Room | None:
    """The room of the wanted agent, or None after saying why there is none."""
    try:
        agent = choose_agent(server, wanted, last)
    except (ServerUnreachable, ServerRefused) as exc:
        console.print(Text(_explained(exc, server.base_url)), soft_wrap=True)
        return None
    if agent is None:
        console.print(Text(f"There is no agent {wanted!r} at {server.base_url}."), soft_wrap=True)
        return None
    return Room(server=server, agent=agent, console=console, last=last)


def _explained(exc: ServerUnreachable | ServerRefused, base_url: str) -> str:
    if isinstance(exc, ServerUnreachable):
        return f"No server answers at {base_url}. Start one with `remanence dev`, then try again."
    if exc.status == 401:
        return f"The server at {base_url} wants a key: set REMANENCE_API_KEY to it."
    return f"The server at {base_url} refused ({exc.status}): {exc.message}"


def _toolbar(room: Room) -> str:
    return f"  {room.agent.name} · {room.agent.model} · ctrl-D leaves"


def _greet(room: Room) -> None:
    """Who is at the other end, and where the conversation was left."""
    console = room.console
    head = Text("\n  ").append(room.agent.name, style="bold cyan")
    head.append(f"  {room.agent.model}  {room.server.base_url}", style="dim")
    console.print(head, soft_wrap=True)
    if room.agent.is_new:
        console.print(Text("  A new agent: it knows nothing about you yet.", style="dim"))
    else:
        for line in _reminder(room):
            console.print(Padding(Text(line, style="dim"), (0, 0, 0, 2), expand=False))
    console.print()


def _reminder(room: Room) -> list[str]:
    """The last thing each side said; a server that does not tell is no reason to stop."""
    try:
        messages = objects_in(room.server.get(f"{room.path}/messages", limit=_LOOKED_AT))
    except (ServerUnreachable, ServerRefused):
        return []
    last = {text_at(message, "message_type"): text_at(message, "content") for message in messages}
    said = [("you", last.get("user_message")), (room.agent.name, last.get("assistant_message"))]
    return [f"{who}: {_in_short(text)}" for who, text in said if text]


def _in_short(text: str) -> str:
    line = " ".join(harmless(text).split())
    return line if len(line) <= _REMINDER_CHARS else f"{line[: _REMINDER_CHARS - 1]}…"


def _answer(room: Room, view: ChatView, line: str) -> bool:
    """Run a command or send a message; False when it is time to leave."""
    try:
        if line.startswith("/"):
            return run_command(room, line)
        _send(room, view, line)
    except (ServerUnreachable, ServerRefused) as exc:
        view.failed(_explained(exc, room.server.base_url))
        view.end()
    return True


def _send(room: Room, view: ChatView, text: str) -> None:
    """Send one message and show what comes back, until it ends or ctrl-C is pressed."""
    reader = RunReader(view, lambda: fetch_blocks(room), fetch_blocks(room))
    view.begin()
    try:
        with _ctrl_c() as stop_if_pressed, closing(_events(room, text)) as events:
            for event in events:
                stop_if_pressed()
                reader.take(event)
        if not reader.is_over:
            view.failed("the stream broke off; the run goes on on the server")
    except KeyboardInterrupt:
        view.remark("stopped listening; the run goes on on the server")
    finally:
        view.end()


@contextmanager
def _ctrl_c() -> Generator[Callable[[], None]]:
    """Have ctrl-C raise KeyboardInterrupt, at once and when what is yielded is called after it.

    Who shows a word may swallow what is raised in the middle of it: then the next event ends it.
    """
    pressed: list[int] = []

    def press(number: int, _frame: FrameType | None) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    def stop_if_pressed() -> None:
        if pressed:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield stop_if_pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _events(room: Room, text: str) -> Generator[JsonObject]:
    body: JsonObject = {
        "messages": [{"role": "user", "content": text}],
        "stream_tokens": True,
        "include_pings": True,
    }
    return room.server.stream(f"{room.path}/messages/stream", body)
