"""What else an Anthropic request needs: limits, thinking, tool choice, output format.

Path: anthropic_request.to_body -> choose_settings.
Pure. Which combinations a model accepts differs by generation (catalogue.claude_traits); what
it would refuse is left out here, so that changing an agent's model does not break the agent. The
temperature is always left out: the API has none since its version 2026-10-21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.exchange import Reasoning, ToolCall
from remanence.errors import InvalidRequest
from remanence.llm.catalogue import claude_traits
from remanence.llm.signatures import anthropic_proof

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject, Request
    from remanence.llm.catalogue import ClaudeTraits
    from remanence.llm.vendors import Vendor

# The wire demands a limit. Thinking counts towards it, so models that think get more room.
_DEFAULT_OUTPUT_TOKENS = 8_192
_DEFAULT_OUTPUT_TOKENS_THINKING = 32_000
_MIN_BUDGET_TOKENS = 1_024
_EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})
# Allows `thinking.block_binding`, see `_adaptive`.
_BINDING_BETA = "thinking-binding-controls-2026-08-01"


def choose_settings(request: Request, vendor: Vendor) -> JsonObject:
    """The fields of the body that are neither prompt nor tools.

    Raises:
        InvalidRequest: see anthropic_request.to_body.
    """
    traits = claude_traits(request.handle.partition("/")[2])
    choice = _tool_choice(request, traits)
    thinking = _thinking(request, traits, vendor, forced=choice.get("type") in {"any", "tool"})
    is_thinking = thinking.get("type") not in {None, "disabled"}
    fields: JsonObject = {"max_tokens": _max_tokens(request, thinking, is_thinking=is_thinking)}
    if thinking:
        fields["thinking"] = thinking
    if choice:
        fields["tool_choice"] = choice
    output = _output_config(request, traits)
    if output:
        fields["output_config"] = output
    return fields


def headers_for(body: JsonObject) -> dict[str, str]:
    """The beta header that `body` needs, if it needs one."""
    thinking = body.get("thinking")
    if isinstance(thinking, dict) and "block_binding" in thinking:
        return {"anthropic-beta": _BINDING_BETA}
    return {}


def _max_tokens(request: Request, thinking: JsonObject, *, is_thinking: bool) -> int:
    default = _DEFAULT_OUTPUT_TOKENS_THINKING if is_thinking else _DEFAULT_OUTPUT_TOKENS
    limit = request.settings.max_output_tokens or default
    budget = thinking.get("budget_tokens")
    # The limit includes the budget and has to be larger.
    return limit + budget if isinstance(budget, int) and limit <= budget else limit


def _tool_choice(request: Request, traits: ClaudeTraits) -> JsonObject:
    if not request.tools:
        return {}
    choice: JsonObject
    match request.tool_choice:
        case "none":
            return {"type": "none"}
        case "auto":
            choice = {"type": "auto"}
        case "required":
            choice = {"type": "any"} if traits.forces_tools else {"type": "auto"}
        case _:
            name = request.forced_tool
            choice = {"type": "tool", "name": name} if traits.forces_tools else {"type": "auto"}
    if not request.settings.parallel_tool_calls:
        choice["disable_parallel_tool_use"] = True
    return choice


def _thinking(
    request: Request, traits: ClaudeTraits, vendor: Vendor, *, forced: bool
) -> JsonObject:
    budget = request.settings.thinking_budget_tokens or 0
    effort = request.settings.reasoning_effort
    match traits.thinking:
        case "no":
            return {}
        case "budget":
            # Thinking by budget excludes forced tools, and needs every turn of a running tool
            # loop to begin with a thought (a turn of another model does not).
            if budget <= 0 or forced or not _loop_has_thoughts(request):
                return {}
            return {"type": "enabled", "budget_tokens": max(budget, _MIN_BUDGET_TOKENS)}
        case "optional":
            wanted = budget > 0 or effort in _EFFORTS
            return _adaptive(vendor) if wanted else {}
        case "default":
            return {"type": "disabled"} if effort == "none" else _adaptive(vendor)
        case "always":
            return _adaptive(vendor)


def _adaptive(vendor: Vendor) -> JsonObject:
    """Thinking as much as the model finds right, readable, and safe to send back.

    Unless asked for a summary these models return empty thoughts, and with them what they say
    between tool calls. A thought is bound to the prompt before it: memory edits and compaction
    change that, so blocks that no longer fit are to be dropped, not answered with an error.
    Source: platform.claude.com, "preserved thinking".
    """
    thinking: JsonObject = {"type": "adaptive", "display": "summarized"}
    if vendor.binds_thinking:
        thinking["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    return thinking


def _loop_has_thoughts(request: Request) -> bool:
    """Whether the assistant turn that is being answered by tools begins with a signed thought."""
    roles = [turn.role for turn in request.turns]
    if "assistant" not in roles:
        return True
    last = len(roles) - 1 - roles[::-1].index("assistant")
    if "tool" not in roles[last:]:  # a note to the model may stand after the returns
        return True
    calling = request.turns[last]
    if not any(isinstance(part, ToolCall) for part in calling.parts):
        return True
    first = calling.parts[0]
    return isinstance(first, Reasoning) and anthropic_proof(first) is not None


def _output_config(request: Request, traits: ClaudeTraits) -> JsonObject:
    config: JsonObject = {}
    effort = request.settings.reasoning_effort
    if traits.effort and effort is not None:
        # The lowest levels of other providers are `low` here; `none` switches thinking off
        # where that is possible, and is `low` where it is not.
        config["effort"] = effort if effort in _EFFORTS else "low"
    schema = _schema(request.settings.response_format)
    if schema is not None:
        config["format"] = {"type": "json_schema", "schema": schema}
    return config


def _schema(response_format: JsonObject | None) -> JsonObject | None:
    match response_format:
        case None | {"type": "text"}:
            return None
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case _:
            raise InvalidRequest(
                "the messages API knows the response formats `text` and `json_schema` only",
                field="response_format",
            )
