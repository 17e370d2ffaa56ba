"""The demonstration model: takes a request, gives a reply, as a provider's client does.

Path: engine -> llm.models routes the handle `demo/remanence-demo` here -> plan.decide.
Deterministic and offline: no clock, no randomness, no state between calls.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from remanence.core.exchange import (
    Delta,
    ModelInfo,
    Part,
    Reply,
    Request,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from remanence.core.tokens import estimate_parts, estimate_request
from remanence.demo.fact_lines import asks_for_facts, facts_answer
from remanence.demo.plan import SEND, decide
from remanence.demo.situation import read_situation
from remanence.demo.summary import asks_for_summary, summarise
from remanence.demo.talk import NAME
from remanence.demo.using import HEARTBEAT, arguments_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.exchange import ToolSpec
    from remanence.demo.memory import Planned

PREFIX = "demo"
HANDLE = f"{PREFIX}/{NAME}"
CONTEXT_WINDOW_TOKENS = 32_768
_WORDS = re.compile(r"\S+\s*|\s+")


class DemoModel:
    """Plays the part of a language model by rules. Holds nothing, so one may serve everybody."""

    def call(
        self,
        request: Request,
        *,
        stream: bool,
        deadline: float,  # noqa: ARG002  nothing here waits
    ) -> Iterator[Delta | Reply]:
        """Answer one request.

        Args:
            request: what an agent's step, or a compaction, asks.
            stream: whether fragments come before the whole: text word by word.
            deadline: in seconds of `time.monotonic`; not needed.

        Yields:
            Fragments if `stream`, and one Reply last.
        """
        reply = _reply(request)
        if stream:
            for part in reply.parts:
                yield from _fragments(part)
        yield reply

    def model_infos(self) -> tuple[ModelInfo, ...]:
        """The one model this is."""
        return (
            ModelInfo(
                handle=HANDLE,
                model=NAME,
                provider=PREFIX,
                provider_type=PREFIX,
                context_window=CONTEXT_WINDOW_TOKENS,
                display_name="Remanence demo (scripted, not a language model)",
            ),
        )


def _reply(request: Request) -> Reply:
    parts = _parts(request)
    return Reply(
        parts=parts,
        finish="tool_calls" if any(isinstance(part, ToolCall) for part in parts) else "stop",
        usage=Usage(
            prompt_tokens=estimate_request(request), completion_tokens=estimate_parts(parts)
        ),
        model=NAME,
    )


def _parts(request: Request) -> tuple[Part, ...]:
    if asks_for_facts(request):
        return (Text(text=facts_answer(request)),)
    if asks_for_summary(request):
        return (Text(text=summarise(request)),)
    situation = read_situation(request)
    has_heartbeat = any(_has_heartbeat(tool) for tool in request.tools)
    decision = decide(
        situation,
        request.tool_choice,
        one_call=has_heartbeat or not request.settings.parallel_tool_calls,
    )
    if decision.calls:
        seed = _seed(request)
        return tuple(
            _tool_call(call, situation.tools[call.name], f"{seed}/{place}", situation.message)
            for place, call in enumerate(decision.calls)
        )
    return (Text(text=decision.text),) if decision.text else ()


def _has_heartbeat(tool: ToolSpec) -> bool:
    properties = tool.parameters.get("properties")
    return isinstance(properties, dict) and HEARTBEAT in properties


def _seed(request: Request) -> str:
    """What makes the ids of this reply: the conversation up to here, and nothing else."""
    said = f"{request.cache_key}\n{request.system}\n{request.turns!r}"
    return hashlib.sha256(said.encode()).hexdigest()


def _tool_call(call: Planned, tool: ToolSpec, seed: str, message: str) -> ToolCall:
    required = arguments_for(tool, message)
    arguments = {**required, **call.arguments}
    if _has_heartbeat(tool):
        arguments[HEARTBEAT] = call.name != SEND
    return ToolCall(
        tool_call_id=f"call_{hashlib.sha256(seed.encode()).hexdigest()[:24]}",
        name=call.name,
        arguments=json.dumps(arguments, ensure_ascii=False),
    )


def _fragments(part: Part) -> Iterator[Delta]:
    """A part as a provider would stream it."""
    match part:
        case Text():
            yield from (TextDelta(text=match.group()) for match in _WORDS.finditer(part.text))
        case ToolCall():
            yield ToolCallDelta(tool_call_id=part.tool_call_id, name=part.name)
            for match in _WORDS.finditer(part.arguments):
                yield ToolCallDelta(tool_call_id=part.tool_call_id, arguments=match.group())
        case _:
            msg = f"the demonstration never says a {type(part).__name__}"
            raise TypeError(msg)
