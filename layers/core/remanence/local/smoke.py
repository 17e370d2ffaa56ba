"""`remanence smoke`: whether a deployment does what it is for, from outside, in a minute.

Path: cli -> here -> the deployment's public routes. Makes one agent and deletes it again; nothing
else is touched. What cannot be seen from outside (an execution environment that is new, a queue)
is looked at when the caller says how.
"""

from __future__ import annotations

import subprocess
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from remanence.local.chat_http import (
    ChatServer,
    ServerRefused,
    ServerUnreachable,
    objects_in,
    path_part,
    text_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remanence.core.exchange import JsonValue

# How long a run in the background may take, and a deployment after a restart, in seconds.
RUN_WAIT_S = 120.0
POLL_S = 0.5
# A stream that something on the way holds back arrives in one lump: the first fragment with the
# last. A live one spreads its fragments over a part (0..1) of the time that the answer takes; of an
# answer that is there at once it cannot be told.
LEAST_SPREAD = 0.03
LEAST_TELLING_S = 3.0


class SmokeFailed(Exception):
    """A check did not find what it looked for; the message says what it found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is looked at. `restart`: a command that makes the next request meet a new process."""

    base_url: str
    api_key: str | None = None
    restart: str = ""
    dead_bells_url: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table; `is_ok` None: not looked at."""

    name: str
    is_ok: bool | None
    text: str
    seconds: float


@dataclass(slots=True)
class _Trial:
    """The agent of this call, and a word that only it can know."""

    server: ChatServer
    target: Target
    agent_id: str = ""
    word: str = field(default_factory=lambda: f"zephyr{uuid.uuid4().hex[:6]}")

    @property
    def path(self) -> str:
        return f"/v1/agents/{path_part(self.agent_id)}"


def run_smoke(target: Target, *, say: Callable[[str], None]) -> int:
    """Run every check, telling each as it is done.

    Returns:
        0 when all passed, 1 otherwise.
    """
    trial = _Trial(ChatServer(target.base_url, target.api_key), target)
    checks: list[tuple[str, Callable[[_Trial], str | None]]] = [
        ("health", _health),
        ("agent", _make_agent),
        ("message", _message),
        ("stream", _stream),
        ("background", _background),
        ("memory", _memory),
        ("dead bells", _dead_bells),
    ]
    results: list[Result] = []
    try:
        for name, check in checks:
            results.append(_tried(name, check, trial))
            say(_row(results[-1]))
            if results[-1].is_ok is False and not trial.agent_id:
                break  # without an agent there is nothing to try
    finally:
        if trial.agent_id:
            results.append(_tried("clean-up", _clean_up, trial))
            say(_row(results[-1]))
    is_ok = all(result.is_ok is not False for result in results)
    say("all is well" if is_ok else "something is amiss")
    return 0 if is_ok else 1


def _tried(name: str, check: Callable[[_Trial], str | None], trial: _Trial) -> Result:
    began = time.monotonic()
    try:
        said = check(trial)
    except (SmokeFailed, ServerUnreachable, ServerRefused) as exc:
        return Result(name, False, str(exc), time.monotonic() - began)
    is_ok = None if said is None else True
    return Result(name, is_ok, said or "not looked at", time.monotonic() - began)


def _row(result: Result) -> str:
    mark = {True: "ok", False: "FAIL", None: "-"}[result.is_ok]
    return f"{mark:<6}{result.name:<12}{result.seconds:6.2f} s  {result.text}"


def _health(trial: _Trial) -> str:
    status = text_at(trial.server.get("/v1/health/"), "status")
    ready = text_at(trial.server.get("/v1/ready/"), "status")
    return f"{status}; database {ready}"


def _make_agent(trial: _Trial) -> str:
    body: JsonValue = {
        "name": f"smoke-{trial.word}",
        "memory_blocks": [{"label": "human", "value": "Name unknown."}],
    }
    assert isinstance(body, dict)  # noqa: S101  as written above
    agent = trial.server.send("POST", "/v1/agents/", body)
    trial.agent_id = text_at(agent, "id")
    return f"{trial.agent_id}, {text_at(agent, 'llm_config', 'handle')}"


def _message(trial: _Trial) -> str:
    words = f"My name is {trial.word}. Remember that."
    answer = trial.server.send("POST", f"{trial.path}/messages", _said(words))
    messages = objects_in(answer.get("messages") if isinstance(answer, dict) else None)
    return f"{len(messages)} messages, {_spoken(messages) or 'without a word'}"


def _stream(trial: _Trial) -> str:
    began = time.monotonic()
    body = _said("Tell me about the sea, in ten sentences.") | {"stream_tokens": True}
    arrivals = [
        time.monotonic() - began
        for event in trial.server.stream(f"{trial.path}/messages/stream", body)
        if text_at(event, "message_type") == "assistant_message"
    ]
    return judge_stream(arrivals, time.monotonic() - began)


def judge_stream(arrivals: Sequence[float], took_s: float) -> str:
    """What the times of an answer's fragments tell, in seconds since the request.

    Raises:
        SmokeFailed: they were held back, or there are none.
    """
    if not arrivals:
        raise SmokeFailed(f"no fragment of an answer in {took_s:.2f} s")
    said = f"{len(arrivals)} fragments from {arrivals[0]:.2f} s to {arrivals[-1]:.2f} s"
    if took_s < LEAST_TELLING_S:
        return f"{said}: too quick to tell whether something holds them back"
    if arrivals[-1] - arrivals[0] < LEAST_SPREAD * took_s:
        raise SmokeFailed(f"{said}: in one lump, so something on the way holds them back")
    return said


def _background(trial: _Trial) -> str:
    run = trial.server.send("POST", f"{trial.path}/messages/async", _said("Say hello."))
    run_id = text_at(run, "id")
    give_up = time.monotonic() + RUN_WAIT_S
    while (status := _status(trial, run_id)) in {"created", "running"}:
        if time.monotonic() > give_up:
            raise SmokeFailed(f"{run_id} is still {status} after {RUN_WAIT_S:.0f} s")
        time.sleep(POLL_S)
    if status != "completed":
        raise SmokeFailed(f"{run_id} is {status}")
    return run_id


def _status(trial: _Trial, run_id: str) -> str:
    return text_at(trial.server.get(f"/v1/runs/{path_part(run_id)}"), "status")


def _memory(trial: _Trial) -> str:
    """What was said before is known to whoever serves now."""
    if trial.target.restart:
        done = subprocess.run(trial.target.restart, shell=True, check=False, capture_output=True)  # noqa: S602  the caller's own command
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise SmokeFailed(f"the command of --restart ended with {done.returncode}: {said}")
        _wait_until_it_answers(trial)
    history = trial.server.get(f"{trial.path}/messages", limit=50)
    if trial.word not in str(history):
        raise SmokeFailed(f"{trial.word!r} is not in the history")
    answer = trial.server.send("POST", f"{trial.path}/messages", _said("What is my name?"))
    messages = objects_in(answer.get("messages") if isinstance(answer, dict) else None)
    said = _spoken(messages)
    if trial.word not in said.lower():
        raise SmokeFailed(f"asked for its name, the agent said: {said}")
    return "after the restart" if trial.target.restart else "same process, perhaps (--restart)"


def _wait_until_it_answers(trial: _Trial) -> None:
    give_up = time.monotonic() + RUN_WAIT_S
    while True:
        try:
            trial.server.get("/v1/health/")
        except (ServerUnreachable, ServerRefused):
            if time.monotonic() > give_up:
                raise
            time.sleep(POLL_S)
        else:
            return


def _dead_bells(trial: _Trial) -> str | None:
    """The queue of bells nobody could answer, looked at with the credentials of the caller."""
    if not trial.target.dead_bells_url:
        return None
    import boto3  # noqa: PLC0415  not installed on a server of one's own
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        sqs = boto3.client("sqs")  # pyright: ignore[reportUnknownMemberType]
        answer = sqs.get_queue_attributes(
            QueueUrl=trial.target.dead_bells_url, AttributeNames=["ApproximateNumberOfMessages"]
        )
    except (BotoCoreError, ClientError) as exc:
        raise SmokeFailed(f"the queue cannot be read: {exc}") from exc
    waiting = answer["Attributes"]["ApproximateNumberOfMessages"]
    if waiting != "0":
        raise SmokeFailed(f"{waiting} bell(s) nobody could answer")
    return "none"


def _clean_up(trial: _Trial) -> str:
    trial.server.send("DELETE", trial.path)
    return "the agent is deleted"


def _said(text: str) -> dict[str, JsonValue]:
    return {"messages": [{"role": "user", "content": text}]}


def _spoken(messages: list[dict[str, JsonValue]]) -> str:
    """The last words of an answer, at most a line of them."""
    spoken = [
        text_at(message, "content")
        for message in messages
        if text_at(message, "message_type") == "assistant_message"
    ]
    return " ".join(spoken[-1].split())[:200] if spoken else ""
