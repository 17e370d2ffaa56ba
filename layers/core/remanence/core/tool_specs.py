"""A custom tool from what its author gives: source, and whatever else overrides what it says.

Path: api/wire/tool_requests.py -> make_tool. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from remanence.core.builtin import DEFAULT_RETURN_CHAR_LIMIT
from remanence.core.custom_tools import CUSTOM_TOOL
from remanence.core.tool_source import read_source
from remanence.core.types import Tool, no_json
from remanence.errors import InvalidRequest, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remanence.core.exchange import JsonObject
    from remanence.core.ids import ToolId

# What providers take as a name of a function.
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", re.ASCII)
# A tool is a page of code; more would be parsed, stored and sent around.
MOST_SOURCE_CHARS = 200_000
MOST_RETURN_CHARS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDraft:
    """What an author gives. None: as the source says, or the default.

    `json_schema` is {name, description, parameters}, `args_json_schema` the parameters alone;
    `pip_requirements` are {name, version} objects; `extras` is kept for reading back.
    """

    source_code: str
    description: str | None = None
    json_schema: JsonObject | None = None
    args_json_schema: JsonObject | None = None
    tags: tuple[str, ...] = ()
    return_char_limit: int = DEFAULT_RETURN_CHAR_LIMIT
    requires_approval: bool = False
    pip_requirements: tuple[JsonObject, ...] = ()
    metadata: JsonObject = field(default_factory=no_json)
    extras: JsonObject = field(default_factory=no_json)


def make_tool(tool_id: ToolId, draft: ToolDraft, installed: Mapping[str, str | None]) -> Tool:
    """The tool of a draft.

    Args:
        tool_id: of the tool.
        draft: what its author gives.
        installed: packages that tools may require, with their versions where these are pinned.

    Raises:
        InvalidRequest: the source or a schema cannot be used; says what to change.
        LimitExceeded: the source is too long.
    """
    if len(draft.source_code) > MOST_SOURCE_CHARS:
        raise LimitExceeded(
            "source_code", limit=MOST_SOURCE_CHARS, actual=len(draft.source_code), unit="characters"
        )
    _check_requirements(draft.pip_requirements, installed)
    schema = draft.json_schema or {}
    given = _given_parameters(draft)
    name = schema.get("name")
    source = read_source(
        draft.source_code, name=name if isinstance(name, str) else None, typed=given is None
    )
    if not _NAME.fullmatch(source.name):
        raise InvalidRequest(
            f"the function is called {source.name!r}: model providers take letters, digits and _ "
            "only, 64 at most",
            field="source_code",
        )
    told = schema.get("description")
    description = draft.description or (told if isinstance(told, str) else "") or source.description
    if not description.strip():
        raise InvalidRequest(
            f"nothing says what {source.name!r} does, and a model has to know: give it a docstring,"
            " or a description",
            field="description",
        )
    return Tool(
        id=tool_id,
        name=source.name,
        description=description.strip(),
        tool_type=CUSTOM_TOOL,
        parameters=source.parameters if given is None else given,
        source_code=draft.source_code,
        return_char_limit=draft.return_char_limit,
        requires_approval=draft.requires_approval,
        tags=draft.tags,
        metadata=draft.metadata,
        extras={
            **draft.extras,
            "args_json_schema": draft.args_json_schema,
            "pip_requirements": list(draft.pip_requirements) or None,
        },
    )


def _given_parameters(draft: ToolDraft) -> JsonObject | None:
    """The schema of the arguments as given, or None when the source is to be read."""
    for field_name, found in (
        ("json_schema", (draft.json_schema or {}).get("parameters")),
        ("args_json_schema", draft.args_json_schema),
    ):
        if found is None:
            continue
        properties = found.get("properties", {}) if isinstance(found, dict) else None
        if not isinstance(found, dict) or found.get("type", "object") != "object":
            raise InvalidRequest(
                f"{field_name} must describe the arguments as an object", field=field_name
            )
        required = found.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise InvalidRequest(
                f"{field_name}: properties must be an object, required a list", field=field_name
            )
        unknown = [str(name) for name in required if name not in properties]
        if unknown:
            raise InvalidRequest(
                f"{field_name} requires {', '.join(unknown)}, which it does not describe",
                field=field_name,
            )
        return {**found, "type": "object", "properties": properties, "required": required}
    return None


def _check_requirements(
    wanted: tuple[JsonObject, ...], installed: Mapping[str, str | None]
) -> None:
    for requirement in wanted:
        name, version = str(requirement.get("name")), requirement.get("version")
        key = normalized(name)
        if key not in installed:
            offered = ", ".join(sorted(installed)) or "none"
            raise InvalidRequest(
                f"pip_requirements: {name!r} is not among the packages that this deployment has "
                f"for tools ({offered}); its operator adds them with REMANENCE_TOOL_REQUIREMENTS",
                field="pip_requirements",
            )
        if version is not None and version != installed[key]:
            raise InvalidRequest(
                f"pip_requirements: this deployment has {name!r} in the version "
                f"{installed[key] or 'that is installed'}; leave the version out",
                field="pip_requirements",
            )


def normalized(package: str) -> str:
    """A package's name in the form in which names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package.strip()).lower()


def read_requirements(text: str) -> dict[str, str | None]:
    """Packages of a list `name, name==version, ...`: name -> version, None where none is pinned."""
    found: dict[str, str | None] = {}
    for item in text.replace(",", " ").split():
        name, pinned, version = item.partition("==")
        found[normalized(name)] = version if pinned else None
    return found


def rank_tools(query: str, tools: Sequence[Tool]) -> list[tuple[Tool, float]]:
    """The tools that have a word of a query, best first, with the share (0..1) of its weight.

    A word in the name counts three times one in the description or a tag. An empty query finds
    all, in their order.
    """
    words = set(re.findall(r"\w+", query.lower().replace("_", " ")))
    if not words:
        return [(tool, 0.0) for tool in tools]
    scored = [(tool, _score(words, tool) / (3 * len(words))) for tool in tools]
    return sorted((pair for pair in scored if pair[1] > 0), key=lambda pair: -pair[1])


def _score(words: set[str], tool: Tool) -> int:
    name = tool.name.lower()
    rest = set(re.findall(r"\w+", f"{tool.description} {' '.join(tool.tags)}".lower()))
    return sum(3 if word in name else int(word in rest) for word in words)
