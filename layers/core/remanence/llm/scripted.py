"""ScriptedLlm: a model that says what it is told to, for tests of everything around models.

Path: models.Models -> ScriptedLlm.call, in place of a provider.
Deterministic, in this process, free. Driven by a list of steps given to it, or by a script in
the conversation (script.py); without either it echoes. Keeps every request it was given.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from remanence.core.exchange import (
    ModelInfo,
    Reasoning,
    ReasoningDelta,
    Reply,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from remanence.errors import (
    InvalidRequest,
    ProviderBadReply,
    ProviderError,
    ProviderOverloaded,
    ProviderQuota,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejected,
    ProviderTimeout,
    ProviderTooLong,
)
from remanence.llm.script import Call, Count, Delay, End, Fail, Say, Step, Think, parse_script
from remanence.llm.tool_ids import fresh_id, ids_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from remanence.core.exchange import Delta, Finish, Part, Request, Turn

StepSource: TypeAlias = "Reply | Exception | Callable[[Request], Reply]"

# What `error KIND` raises. `cut` raises after half of the reply was streamed.
ERRORS: Mapping[str, type[ProviderError]] = {
    "rate_limit": ProviderRateLimited,
    "quota": ProviderQuota,
    "overloaded": ProviderOverloaded,
    "timeout": ProviderTimeout,
    "key": ProviderRefusedKey,
    "rejected": ProviderRejected,
    "too_long": ProviderTooLong,
    "bad_reply": ProviderBadReply,
    "cut": ProviderBadReply,
}
_CHARS_PER_TOKEN = 4
_ECHO_CHARS = 400
# What a server says in the user's place: heartbeats, alerts, notes.
_MACHINE_MADE = re.compile(r'\s*(\[System message\]|\[This is an automated|<system|\{"type":)')


class ScriptedLlm:
    """The scripted model. Safe to share between threads.

    Args:
        steps: what to answer, one per call, in order: a Reply, an exception to raise, or a
            function of the request. After the last one it says "done". None: the conversation
            decides.
        context_window: tokens it claims to take.
        sleep: waits out `delay`, in seconds.
        clock: the clock of deadlines, in seconds.
    """

    def __init__(
        self,
        steps: Sequence[StepSource] | None = None,
        *,
        context_window: int = 32_768,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps = list(steps) if steps is not None else None
        self._context_window = context_window
        self._sleep = sleep
        self._clock = clock
        self._requests: list[Request] = []
        self._failures: Counter[str] = Counter()
        self._lock = Lock()

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request so far, oldest first."""
        with self._lock:
            return tuple(self._requests)

    def model_infos(self) -> Sequence[ModelInfo]:
        """One model; any other name after `scripted/` means the same one."""
        return (
            ModelInfo(
                handle="scripted/scripted",
                model="scripted",
                provider="scripted",
                provider_type="scripted",
                context_window=self._context_window,
                display_name="Scripted test model",
            ),
        )

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        """Play the next step; fragments of a few characters if `stream`, the Reply last.

        Raises:
            InvalidRequest: the script in the conversation cannot be understood.
            ProviderError: what the script asks for, or a delay beyond the deadline.
            Exception: one that was given as a step.
        """
        with self._lock:
            number = len(self._requests)
            self._requests.append(request)
        if self._steps is not None:
            reply, cut = _given_reply(self._steps, number, request), False
        else:
            reply, cut = self._scripted_reply(request, deadline)
        deltas = list(_deltas(reply)) if stream else []
        if cut:
            yield from deltas[: len(deltas) // 2]
            raise ProviderBadReply("the scripted reply was cut off")
        yield from deltas
        yield reply

    def _scripted_reply(self, request: Request, deadline: float) -> tuple[Reply, bool]:
        """The reply that the conversation asks for, and whether it breaks off half way."""
        place, said = _last_human_turn(request.turns)
        steps = parse_script(said)
        number = sum(turn.role == "assistant" for turn in request.turns[place + 1 :])
        if not steps:
            return _played((Say(text=f"echo: {said[:_ECHO_CHARS]}"),), request), False
        step: Step = steps[number] if number < len(steps) else (Say(text="done"),)
        for action in step:
            if isinstance(action, Delay):
                self._wait(action.seconds, deadline)
        cut = False
        for action in step:
            if isinstance(action, Fail) and self._is_due(action, f"{said}#{number}"):
                if action.kind != "cut":
                    raise _error(action)
                cut = True
        return _played(step, request), cut

    def _wait(self, seconds: float, deadline: float) -> None:
        left = deadline - self._clock()
        self._sleep(min(seconds, max(0.0, left)))
        if seconds > left:
            raise ProviderTimeout("the scripted model was told to answer after the deadline")

    def _is_due(self, fail: Fail, key: str) -> bool:
        with self._lock:
            self._failures[key] += 1
            return fail.times is None or self._failures[key] <= fail.times


def _given_reply(steps: Sequence[StepSource], number: int, request: Request) -> Reply:
    step = steps[number] if number < len(steps) else _played((Say(text="done"),), request)
    if isinstance(step, Exception):
        raise step
    return step if isinstance(step, Reply) else step(request)


def _last_human_turn(turns: Sequence[Turn]) -> tuple[int, str]:
    """Place and text of the last thing a person said; -1 and "" when nobody did."""
    for place in range(len(turns) - 1, -1, -1):
        if turns[place].role == "user":
            texts = [part.text for part in turns[place].parts if isinstance(part, Text)]
            said = "\n".join(text for text in texts if not _MACHINE_MADE.match(text))
            if said:
                return place, said
    return -1, ""


def _played(step: Step, request: Request) -> Reply:
    """The reply of a step. Ids of tool calls depend on the conversation only."""
    taken = ids_in(request)
    parts: list[Part] = []
    finish: Finish | None = None
    usage: Usage | None = None
    for action in step:
        match action:
            case Say():
                parts.append(Text(text=action.text))
            case Think():
                parts.append(Reasoning(text=action.text))
            case Call():
                parts.append(_tool_call(action.name, action.arguments, taken))
            case End():
                finish = action.finish
            case Count():
                usage = Usage(
                    prompt_tokens=action.prompt_tokens, completion_tokens=action.completion_tokens
                )
            case Fail() | Delay():
                pass  # happened before
    parts = _through_tool(parts, request, taken)
    calls = any(isinstance(part, ToolCall) for part in parts)
    return Reply(
        parts=tuple(parts),
        finish=finish or ("tool_calls" if calls else "stop"),
        usage=usage or _estimated(request, parts),
        model=request.handle.partition("/")[2] or "scripted",
    )


def _through_tool(parts: list[Part], request: Request, taken: set[str]) -> list[Part]:
    """Text said through `send_message`, where the model is made to call it or any tool."""
    speaks_by_tool = any(spec.name == "send_message" for spec in request.tools)
    texts = [part.text for part in parts if isinstance(part, Text)]
    if (
        request.tool_choice not in {"required", "send_message"}
        or not speaks_by_tool
        or not texts
        or any(isinstance(part, ToolCall) for part in parts)
    ):
        return parts
    arguments = json.dumps({"message": "".join(texts)}, ensure_ascii=False)
    thoughts = [part for part in parts if not isinstance(part, Text)]
    return [*thoughts, _tool_call("send_message", arguments, taken)]


def _tool_call(name: str, arguments: str, taken: set[str]) -> ToolCall:
    return ToolCall(tool_call_id=fresh_id("", name, taken), name=name, arguments=arguments)


def _estimated(request: Request, parts: Sequence[Part]) -> Usage:
    """A count that only depends on the lengths of what was read and said."""
    read = len(request.system) + sum(len(repr(turn.parts)) for turn in request.turns)
    said = sum(len(repr(part)) for part in parts)
    return Usage(
        prompt_tokens=read // _CHARS_PER_TOKEN + 1, completion_tokens=said // _CHARS_PER_TOKEN + 1
    )


def _error(fail: Fail) -> ProviderError:
    cls = ERRORS.get(fail.kind)
    if cls is None:
        raise InvalidRequest(f"no scripted error {fail.kind!r}; there are {', '.join(ERRORS)}")
    message = f"the scripted model was told to fail ({fail.kind})"
    if cls is ProviderRateLimited:
        return ProviderRateLimited(message, retry_after_s=fail.retry_after_s)
    return cls(message)


def _deltas(reply: Reply) -> Iterator[Delta]:
    """Fragments whose sum is the reply: words, and halves of arguments."""
    for part in reply.parts:
        match part:
            case Text():
                yield from (TextDelta(text=word) for word in _words(part.text))
            case Reasoning():
                yield from (ReasoningDelta(text=word) for word in _words(part.text))
            case ToolCall():
                yield ToolCallDelta(tool_call_id=part.tool_call_id, name=part.name)
                middle = (len(part.arguments) + 1) // 2
                for half in (part.arguments[:middle], part.arguments[middle:]):
                    if half:
                        yield ToolCallDelta(tool_call_id=part.tool_call_id, arguments=half)
            case _:
                raise TypeError(f"{type(part).__name__} has no place in a reply")


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)
