"""What `remanence dev` prints: that it is up, and how to talk to it.

Plain text when the output is not a terminal, so that a supervisor's log stays readable.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax

from remanence import __version__
from remanence.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from fastapi import FastAPI

_CURL = """\
curl {url}/v1/agents/ -H 'Content-Type: application/json' \\
  -d '{{"name": "mira", "memory_blocks": [{{"label": "human", "value": "Name unknown."}}]}}'
curl {url}/v1/agents/$AGENT_ID/messages -H 'Content-Type: application/json' \\
  -d '{{"messages": [{{"role": "user", "content": "Hello! I am Ana, and I like hiking."}}]}}'
"""

_PYTHON = """\
from letta_client import Letta  # pip install letta-client
client = Letta(base_url="{url}"{key})
agent = client.agents.create(memory_blocks=[{{"label": "human", "value": "Name unknown."}}])
reply = client.agents.messages.create(
    agent.id, messages=[{{"role": "user", "content": "Hello! I am Ana."}}])
print(reply.messages)
"""


def say(text: str) -> None:
    """One line for the person at the terminal."""
    _console().print(text, highlight=False, markup=False, soft_wrap=True)


def say_already_running(home: Path, port: int, *, needs_key: bool) -> None:
    """A second start of the same home on the same port: where the first one is."""
    say(
        f"Remanence is already running on http://127.0.0.1:{port} with the data in {home}.\n"
        f"Talk to it with `{chat_command(port, needs_key=needs_key)}`, or stop it with ctrl-C "
        "where it was started."
    )


def chat_command(port: int, *, needs_key: bool) -> str:
    """What to type in another terminal, in the directory this one is in."""
    words = [_program(), "chat"]
    if port != DEFAULT_PORT:
        words += ["--url", f"http://127.0.0.1:{port}"]
    return ("REMANENCE_API_KEY=... " if needs_key else "") + shlex.join(words)


def _program() -> str:
    """The `remanence` of this installation, as short as it can be found."""
    ours = Path(sys.executable).parent / "remanence"
    if not ours.exists() or shutil.which("remanence") == str(ours):
        return "remanence"
    here = Path.cwd()
    return str(ours.relative_to(here) if ours.is_relative_to(here) else ours)


def say_welcome(app: FastAPI, port: int) -> None:
    """The server is up: its address, its model, and three ways to talk to it."""
    console = _console()
    url = f"http://127.0.0.1:{port}"
    model = str(getattr(app.state, "default_model", ""))
    console.print(f"\n[bold]Remanence {__version__}[/bold] is serving on [bold]{url}[/bold]")
    if model:
        console.print(f"New agents use the model [bold]{model}[/bold]", highlight=False)
    needs_key = bool(getattr(app.state, "needs_api_key", False))
    key = ', api_key="..."' if needs_key else ""
    _example(console, "In another terminal", chat_command(port, needs_key=needs_key), "bash")
    curl = _CURL.format(url=url)
    if needs_key:
        curl = curl.replace(" -H", ' -H "Authorization: Bearer $REMANENCE_API_KEY" -H')
    _example(console, "curl", curl, "bash")
    _example(console, "Python", _PYTHON.format(url=url, key=key), "python")
    console.print("ctrl-C stops it; agents and their memory stay.\n")


def _example(console: Console, title: str, text: str, language: str) -> None:
    if console.is_terminal:
        syntax = Syntax(text.strip(), language, theme="ansi_dark", background_color="default")
        console.print(Panel(syntax, title=title, title_align="left", border_style="dim"))
    else:
        console.print(f"{title}:", highlight=False)
        indented = "\n".join(f"  {line}" for line in text.strip().splitlines())
        console.print(indented, highlight=False, markup=False, soft_wrap=True)


@cache
def _console() -> Console:
    return Console()
