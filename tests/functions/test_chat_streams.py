"""Streams of the built chat function: while its model is silent, and when its caller hangs up."""

from __future__ import annotations

import itertools
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.lambda_world import MODEL, PAUSE_S
from support.wires import a_reply
from support.world import an_agent, history, value

from remanence.api.wire.stream import KEEPALIVE_S

if TYPE_CHECKING:
    from pathlib import Path

    from support.lambda_world import LambdaWorld

# API Gateway ends a regional stream that says nothing for so long; an edge-optimised one, or
# another proxy, for less.
IDLE_LIMIT_S = 300.0
EDGE_IDLE_LIMIT_S = 30.0
BEAT_S = 0.2
SILENCE_S = 1.5
WAIT_S = 20.0


def test_a_heartbeat_comes_well_within_what_a_gateway_waits() -> None:
    assert KEEPALIVE_S <= EDGE_IDLE_LIMIT_S * 2 / 3 < IDLE_LIMIT_S


@pytest.mark.parametrize(
    ("pings", "beat"), [(True, '"message_type":"ping"'), (False, ": still working")]
)
def test_stream_beats_while_its_model_is_silent(
    lambda_world: LambdaWorld, tmp_path: Path, pings: bool, beat: str
) -> None:
    agent_id = an_agent(lambda_world.database.admin_uri, model=MODEL)
    lambda_world.provider.answers.append(a_reply("Late."))
    lambda_world.provider.pause_s = SILENCE_S
    body = asked("Are you there?") | {"streaming": True, "include_pings": pings}

    with beating_every(BEAT_S, lambda_world, tmp_path).chat() as chat:
        pieces = list(chat.stream(f"/v1/agents/{agent_id}/messages/stream", body))

    said = next(at for at, text in pieces if "Late." in text)
    beats = [at for at, text in pieces if beat in text.replace(" :", ":") and at < said]
    assert len(beats) >= SILENCE_S / BEAT_S / 3, pieces
    gaps = [later - earlier for earlier, later in itertools.pairwise(beats)]
    assert sorted(gaps)[len(gaps) // 2] < 3 * BEAT_S, "they came in one lump"
    assert pieces[-1][1].rstrip().endswith("data: [DONE]")


def test_run_in_the_foreground_goes_on_when_its_caller_hangs_up(lambda_world: LambdaWorld) -> None:
    admin_uri = lambda_world.database.admin_uri
    agent_id = an_agent(admin_uri, model=MODEL)
    lambda_world.provider.answers.append(a_reply("one two three four five six"))
    lambda_world.provider.pause_s = PAUSE_S
    body = asked("Count") | {"streaming": True, "stream_tokens": True, "background": False}

    with lambda_world.chat() as chat:
        pieces = chat.stream(f"/v1/agents/{agent_id}/messages/stream", body)
        _, first = next(pieces)
        pieces.close()
        run_id = re.search(r"run-[0-9a-f-]{36}", first)[0]  # type: ignore[index]
        status_then = status_of(admin_uri, run_id)
        wait_until_over(admin_uri, run_id)
        _, run = chat.get(f"/v1/runs/{run_id}")
        _, said = chat.get(f"/v1/runs/{run_id}/messages")
        taken_up = "".join(text for _, text in chat.stream(f"/v1/runs/{run_id}/stream", {}))

    assert status_then == "running", "the caller left in the middle"
    assert (run["status"], run["background"]) == ("completed", False)
    assert "four five six" in json.dumps(said)
    assert "four five six" in taken_up
    assert taken_up.rstrip().endswith("data: [DONE]")
    assert history(admin_uri, agent_id)[-1] == ("assistant", "one two three four five six")


def asked(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def beating_every(seconds: float, lambda_world: LambdaWorld, folder: Path) -> LambdaWorld:
    """The same functions with another interval; the file that says it loses its compiled twin."""
    faster = lambda_world.with_own_core(folder)
    wire = faster.bundle.layers[1] / "remanence" / "api" / "wire"
    source = wire / "stream.py"
    before = source.read_text()
    after = before.replace(f"KEEPALIVE_S = {KEEPALIVE_S}\n", f"KEEPALIVE_S = {seconds}\n")
    assert after != before
    source.write_text(after)
    (wire / "__pycache__" / "stream.cpython-313.pyc").unlink()
    return faster


def status_of(admin_uri: str, run_id: str) -> str:
    return str(value(admin_uri, "select status from remanence.runs where id = %s", run_id))


def wait_until_over(admin_uri: str, run_id: str) -> None:
    give_up = time.monotonic() + WAIT_S
    while status_of(admin_uri, run_id) == "running":
        assert time.monotonic() < give_up, "the run went with its caller"
        time.sleep(0.1)
