"""The client in a terminal: a pseudo-terminal with a person's keys."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.letta_server import LettaServer, call, end, letta_server, ping, returned, text

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

RUN = (
    # Opening the terminal makes it the one that ctrl-C comes from.
    "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); "
    "from remanence.local.chat import run_chat; "
    "sys.exit(run_chat(sys.argv[1], None, None))"
)
PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
CTRL_C, CTRL_D, ENTER = "\x03", "\x04", "\r"
# Sequences that move, erase or colour, and the prompt's redrawing.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[=>78])")


@dataclass
class Terminal:
    """The near end of a pseudo-terminal, and the process at its far end."""

    process: subprocess.Popen[bytes]
    descriptor: int
    seen: str = ""

    def type(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    def expect(self, words: str, *, within_s: float = 30.0) -> str:
        """Read until the words are shown; returns what came before them, and forgets both."""
        until = time.monotonic() + within_s
        while words not in (plain := _ESCAPE.sub("", self.seen)):
            left = until - time.monotonic()
            assert left > 0, f"{words!r} was not shown:\n{plain}"
            if select.select([self.descriptor], [], [], left)[0]:
                self._read()
        before, _, self.seen = plain.partition(words)
        return before

    def _read(self) -> None:
        data = os.read(self.descriptor, 65_536)
        self.seen += data.decode("utf-8", "replace")
        # A terminal answers when it is asked where the cursor is.
        if b"\x1b[6n" in data:
            self.type("\x1b[1;1R")

    def ended(self) -> int:
        return self.process.wait(timeout=30)


@pytest.fixture
def world() -> Generator[LettaServer]:
    with letta_server() as server:
        server.add_agent("companion")
        server.messages = [
            {"message_type": "user_message", "content": "my name is Ada"},
            {"message_type": "assistant_message", "content": "Hello, Ada."},
        ]
        yield server


@pytest.fixture
def terminal(world: LettaServer, tmp_path: Path) -> Generator[Terminal]:
    near, far = pty.openpty()
    environment = os.environ | {"REMANENCE_HOME": str(tmp_path), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, world.url],
        stdin=far,
        stdout=far,
        stderr=far,
        env=environment | {"COLUMNS": "80", "LINES": "40", "PYTHONIOENCODING": "utf-8"},
        start_new_session=True,
    )
    os.close(far)
    try:
        yield Terminal(process, near)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(near)


def test_terminal_session_shows_a_reply_with_its_edit_and_ctrl_d_leaves(
    world: LettaServer, terminal: Terminal
) -> None:
    world.blocks = {"human": "Home: Lisbon"}
    world.runs = [
        [
            ping(),
            *call("memory_replace", {"label": "human"}),
            {"blocks": {"human": "Home: Porto"}},
            returned("memory_replace", "ok"),
            text("You live in Porto, 知っています。"),
            *end(),
        ]
    ]
    terminal.expect("you: my name is Ada")
    terminal.expect("companion: Hello, Ada.")
    terminal.expect(PROMPT)

    terminal.type("I moved to Porto" + ENTER)

    terminal.expect("⚙ memory_replace")
    terminal.expect("human - Home: Lisbon")
    terminal.expect("+ Home: Porto")
    terminal.expect("You live in Porto, 知っています。")
    terminal.expect("1 step · 1,234 tokens in (1,000 cached), 56 out")
    terminal.expect(PROMPT)
    terminal.type(CTRL_D)
    assert terminal.ended() == 0


def test_ctrl_c_in_a_reply_stops_listening_and_the_next_message_is_answered(
    world: LettaServer, terminal: Terminal
) -> None:
    more = threading.Event()
    world.runs = [
        [ping(), text("This takes a long "), more, text("time."), *end()],
        [ping(), text("Here again.", "message-2"), *end()],
    ]
    terminal.expect(PROMPT)

    terminal.type("hi" + ENTER)
    terminal.expect("takes a long")
    terminal.type(CTRL_C)

    terminal.expect("stopped listening; the run goes on on the server")
    terminal.expect(PROMPT)
    more.set()
    terminal.type("and now?" + ENTER)
    terminal.expect("Here again.")
    terminal.expect(PROMPT)
    terminal.type("/quit" + ENTER)
    assert terminal.ended() == 0


def test_ctrl_c_at_the_prompt_empties_the_line(world: LettaServer, terminal: Terminal) -> None:
    world.runs = [[text("Heard."), *end()]]
    terminal.expect(PROMPT)

    terminal.type("half a thou")
    terminal.expect("half a thou")
    terminal.type(CTRL_C)
    terminal.expect(PROMPT)
    terminal.type("whole" + ENTER)
    terminal.expect("Heard.")

    sent = world.sent("POST", "/messages/stream")
    assert [asked.body["messages"][0]["content"] for asked in sent] == ["whole"]


def test_server_that_goes_away_is_said_and_the_prompt_comes_back(
    world: LettaServer, terminal: Terminal
) -> None:
    terminal.expect(PROMPT)
    world.refuse_with = (503, {"detail": "the database is starting"})

    terminal.type("hi" + ENTER)

    terminal.expect("refused (503): the database is")
    terminal.expect(PROMPT)
    terminal.type(CTRL_D)
    assert terminal.ended() == 0
