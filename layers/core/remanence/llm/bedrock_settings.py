"""Model settings -> the fields of Converse that are neither prompt nor tools.

Path: bedrock_request.to_body -> choose_settings. What Claude takes is decided by
anthropic_settings, and written down as Converse wants it.
Pure.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from remanence.errors import InvalidRequest
from remanence.llm import anthropic_settings
from remanence.llm.catalogue import claude_traits
from remanence.llm.payload import inner

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject, ModelSettings, Request
    from remanence.llm.bedrock_models import BedrockTraits
    from remanence.llm.vendors import Vendor


def choose_settings(
    request: Request, vendor: Vendor, traits: BedrockTraits
) -> dict[str, JsonObject]:
    """The fields `inferenceConfig`, `toolConfig`, `outputConfig` and what only Claude has.

    Raises:
        InvalidRequest: see bedrock_request.to_body.
    """
    settings = request.settings
    claude = _as_claude(request, vendor, traits)
    thinking = claude.get("thinking")
    limits: JsonObject = {}
    limit = claude.get("max_tokens", settings.max_output_tokens)
    if limit is not None:
        limits["maxTokens"] = limit
    if settings.temperature is not None and not thinking and _takes_temperature(traits):
        limits["temperature"] = settings.temperature
    fields: dict[str, JsonObject] = {
        "inferenceConfig": limits,
        "outputConfig": inner(claude, "output_config") | _format(settings),
        "toolConfig": _choice(request, traits, thinks=bool(thinking)),
        "additionalModelRequestFields": {"thinking": thinking} if thinking else {},
    }
    return {name: value for name, value in fields.items() if value}


def _as_claude(request: Request, vendor: Vendor, traits: BedrockTraits) -> JsonObject:
    """What the messages API would be sent; nothing for a model that is no Claude."""
    if not traits.claude:
        return {}
    plain = replace(request.settings, response_format=None)
    named = replace(request, handle=f"{vendor.name}/{traits.claude}", settings=plain)
    return anthropic_settings.choose_settings(named, vendor)


def _takes_temperature(traits: BedrockTraits) -> bool:
    return not traits.claude or claude_traits(traits.claude).thinking in {"no", "budget"}


def _choice(request: Request, traits: BedrockTraits, *, thinks: bool) -> JsonObject:
    """Which tools the model has to call, as far as it can be told that; no field forbids all."""
    name = request.forced_tool
    stubborn = traits.claude and not claude_traits(traits.claude).forces_tools
    forces: frozenset[str] = frozenset() if thinks or stubborn else traits.forces
    if name is not None and "tool" in forces:
        return {"toolChoice": {"tool": {"name": name}}}
    if request.tool_choice not in {"auto", "none"} and "any" in forces:
        return {"toolChoice": {"any": {}}}
    return {}


def _format(settings: ModelSettings) -> JsonObject:
    match settings.response_format:
        case None | {"type": "text"}:
            return {}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **rest}}:
            # Here a schema travels as text.
            told: JsonObject = {
                "schema": json.dumps(schema),
                "name": str(rest.get("name", "answer")),
            }
            return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": told}}}
        case _:
            raise InvalidRequest(
                "Converse knows the response formats `text` and `json_schema` only",
                field="response_format",
            )
