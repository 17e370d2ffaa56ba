"""The client with piped input, as a script runs it: a process of its own and a real socket."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.letta_server import LettaServer, call, end, letta_server, ping, returned, text
from support.server import MODEL, server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.server import Server

__all__ = ["server"]

RUN = (
    "import sys; from remanence.local.chat import run_chat; "
    "sys.exit(run_chat(sys.argv[1], sys.argv[2] or None, sys.argv[3] or None))"
)


@pytest.fixture
def world() -> Generator[LettaServer]:
    with letta_server() as server:
        yield server


def chat(
    world: LettaServer, home: Path, *lines: str, agent: str = "", key: str = "", url: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, url or world.url, key, agent],
        input="".join(f"{line}\n" for line in lines),
        env=os.environ | {"REMANENCE_HOME": str(home), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_chat_with_nobody_yet_makes_a_companion_and_talks_to_it(
    world: LettaServer, tmp_path: Path
) -> None:
    world.runs = [[ping(), text("Hello "), text("there, 世界."), *end()]]

    result = chat(world, tmp_path, "hi", "")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "> hi\nHello there, 世界.\n1 step · 1,234 tokens in (1,000 cached), 56 out\n"
    )
    created = world.sent("POST", "/v1/agents/")[0].body
    assert created["name"] == "companion"
    assert [block["label"] for block in created["memory_blocks"]] == ["human", "persona"]
    assert {"archival_memory_insert", "archival_memory_search"} <= set(created["tools"])
    assert world.sent("POST", "/messages/stream")[0].body == {
        "messages": [{"role": "user", "content": "hi"}],
        "stream_tokens": True,
        "include_pings": True,
    }


def test_chat_goes_on_with_the_last_agent_of_this_server(
    world: LettaServer, tmp_path: Path
) -> None:
    world.add_agent("companion", 1)
    last = world.add_agent("mira", 2)

    chat(world, tmp_path, agent="mira")
    result = chat(world, tmp_path, "/agents")

    assert f"▸ mira        demo/remanence-demo   {last}" in result.stdout
    assert json.loads((tmp_path / "chat.json").read_text()) == {world.url: last}


def test_chat_whose_last_agent_is_gone_takes_the_companion(
    world: LettaServer, tmp_path: Path
) -> None:
    (tmp_path / "chat.json").write_text(json.dumps({world.url: "agent-gone"}))
    world.add_agent("companion")

    result = chat(world, tmp_path, "/agents")

    assert result.stdout.startswith("> /agents\n▸ companion")
    assert world.sent("POST", "/v1/agents/") == []


def test_chat_with_an_id_takes_that_agent(world: LettaServer, tmp_path: Path) -> None:
    world.add_agent("a", 1)
    wanted = world.add_agent("b", 2)

    assert "▸ b" in chat(world, tmp_path, "/agents", agent=wanted).stdout


def test_chat_with_an_unknown_name_says_so(world: LettaServer, tmp_path: Path) -> None:
    result = chat(world, tmp_path, agent="nobody")

    assert result.returncode == 1
    assert result.stdout == f"There is no agent 'nobody' at {world.url}.\n"


def test_chat_without_a_server_says_how_to_start_one(world: LettaServer, tmp_path: Path) -> None:
    result = chat(world, tmp_path, "hi", url="http://127.0.0.1:9")

    assert result.returncode == 1
    assert result.stdout == (
        "No server answers at http://127.0.0.1:9. Start one with `remanence dev`, then try again.\n"
    )


def test_chat_with_a_wrong_key_says_which_variable(world: LettaServer, tmp_path: Path) -> None:
    world.refuse_with = (401, {"detail": "Unauthorized"})

    result = chat(world, tmp_path, "hi", key="wrong-key")

    assert result.returncode == 1
    assert "REMANENCE_API_KEY" in result.stdout
    assert "wrong-key" not in result.stdout + result.stderr
    assert world.asked[0].authorization == "Bearer wrong-key"


def test_chat_shows_memory_edits_and_searches_as_they_happen(
    world: LettaServer, tmp_path: Path
) -> None:
    world.blocks = {"human": "Name: Ada\nHome: Lisbon"}
    world.runs = [
        [
            ping(),
            *call("memory_replace", {"label": "human", "old_string": "Home: Lisbon"}),
            {"blocks": {"human": "Name: Ada\nHome: Porto"}},
            returned("memory_replace", "Name: Ada\nHome: Porto"),
            *call("archival_memory_search", {"query": "tea"}, "call-2"),
            returned("archival_memory_search", '[{"content": "Ada likes tea."}]', call_id="call-2"),
            text("Changed."),
            *end(steps=3),
        ]
    ]

    result = chat(world, tmp_path, "actually I moved to Porto")

    assert result.stdout.splitlines()[1:-1] == [
        "⚙ memory_replace",
        "  human - Home: Lisbon",
        "  human + Home: Porto",
        '⚙ archival_memory_search "tea"',
        "  → Ada likes tea.",
        "Changed.",
    ]


def test_chat_commands_ask_the_server_and_print(world: LettaServer, tmp_path: Path) -> None:
    world.blocks = {"human": "Name: Ada"}
    world.archival = [{"timestamp": "2026-11-02T10:00:00Z", "content": "Ada likes tea."}]
    world.message_hits = [
        {"message_type": "user_message", "created_at": "2026-11-03T10:00:00Z", "content": "tea?"}
    ]
    world.context = {"context_window_size_max": 100, "num_tokens_messages": 40}
    lines = ["/help", "/memory", "/search tea", "/context", "/reset", "/new Lem", "/nope", "/quit"]

    result = chat(world, tmp_path, *lines, "never sent")

    out = result.stdout
    assert "/search TEXT" in out
    assert "9 of 2,000 characters\n  Name: Ada\n" in out
    assert "Archival memory\n  2026-11-02  Ada likes tea.\n" in out
    assert "Conversation\n  2026-11-03  user: tea?\n" in out
    assert re.search(r"m messages +40 +40 %", out)
    assert "Now talking to Lem" in out
    assert "There is no /nope" in out
    assert "never sent" not in out
    assert len(world.sent("PATCH", "/reset-messages")) == 1
    assert world.sent("GET", "/archival-memory/search")[0].query == {"query": "tea", "top_k": "5"}


def test_chat_search_at_our_own_server_finds_both_kinds(
    server: Server, world: LettaServer, tmp_path: Path
) -> None:
    client = server.client()
    agent = client.agents.create(name="librarian", model=MODEL, include_base_tools=True)
    client.agents.passages.create(agent.id, text="Ada likes tea.")

    said = "Where is my tea? [[script: say In the pot.]]"
    result = chat(world, tmp_path, said, "/search tea", agent=agent.id, url=server.base_url)

    archival, _, conversation = result.stdout.partition("Archival memory\n")[2].partition(
        "Conversation\n"
    )
    assert "Ada likes tea." in archival
    assert "Where is my tea?" in conversation
    assert result.returncode == 0


def test_chat_search_at_a_server_without_message_search_says_so(
    world: LettaServer, tmp_path: Path
) -> None:
    result = chat(world, tmp_path, "/search tea")

    assert "nothing found" in result.stdout
    assert "(this server does not search messages)" in result.stdout
    assert result.returncode == 0


def test_chat_after_an_error_goes_on_and_leaves_with_a_failure(
    world: LettaServer, tmp_path: Path
) -> None:
    world.runs = [
        [
            ping(),
            {"message_type": "stop_reason", "stop_reason": "llm_api_error"},
            {"message_type": "error_message", "error_type": "llm_error", "message": "no model"},
        ],
        [text("Better."), *end()],
    ]

    result = chat(world, tmp_path, "one", "two")

    assert "stopped: llm_api_error\nerror: no model\n> two\nBetter.\n" in result.stdout
    assert result.returncode == 1


def test_chat_whose_stream_breaks_off_says_that_the_run_goes_on(
    world: LettaServer, tmp_path: Path
) -> None:
    world.runs = [[ping(), text("Hel")]]

    result = chat(world, tmp_path, "hi")

    assert "Hel\nerror: the stream broke off; the run goes on on the server\n" in result.stdout
    assert result.returncode == 1
