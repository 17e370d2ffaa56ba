"""Agent files of both generations, read as requests that make agents.

Path: routes/agent_files.py -> read_file -> FileAgent -> db/agent_import.py. Files are data from
elsewhere, often broken: what cannot be kept is left out or mended, and `repairs` says so. Only
what is no agent file at all is refused.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from remanence.api.wire.agent_file_messages import Report, message_from_file
from remanence.api.wire.agent_requests import CreateAgent
from remanence.api.wire.loose import Json, list_of, object_of, objects_of
from remanence.api.wire.tools import RuleFields, rule_from_wire
from remanence.core.builtin import BUILTIN_TOOLS, DEFAULT_BLOCK_LIMIT_CHARS
from remanence.core.ids import IdSource, ToolId
from remanence.core.summaries import Summary
from remanence.core.tokens import estimate_text
from remanence.core.types import Message, Tool
from remanence.errors import AppError, InvalidRequest

_RULE: TypeAdapter[Any] = TypeAdapter(RuleFields)
# What a file says of an agent that is read in another way, or means nothing elsewhere.
_NOT_TAKEN = frozenset(
    {
        "block_ids",
        "folder_ids",
        "from_template",
        "identity_ids",
        "include_base_tool_rules",
        "include_base_tools",
        "include_default_source",
        "initial_message_sequence",
        "memory_blocks",
        "memory_variables",
        "project",
        "secrets",
        "source_ids",
        "template",
        "tool_exec_environment_variables",
        "tool_ids",
        "tool_rules",
        "tools",
    }
)
_LOST = {
    "secrets": "secrets",
    "tool_exec_environment_variables": "secrets",
    "source_ids": "folders",
    "identity_ids": "identities",
    "files_agents": "files",
    "group_ids": "groups",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAgent:
    """An agent of a file: the request that makes it, and its history in order.

    `window_from` is the place of the first message in context.
    """

    request: CreateAgent
    messages: tuple[Message, ...]
    window_from: int
    summaries: tuple[Summary, ...]


@dataclass(slots=True, kw_only=True)
class Reading:
    """One file being read: where ids and the time come from, and what was mended so far."""

    new_id: IdSource
    now: datetime
    repairs: list[str] = field(default_factory=list[str])

    def report(self, repair: str) -> None:
        """Keep what had to be done; the same is said once."""
        if repair not in self.repairs:
            self.repairs.append(repair)


def parse_file(data: bytes) -> Json:
    """The document of a file, in the newer form.

    Raises:
        InvalidRequest: it is no JSON, or holds no agent.
    """
    try:
        document = object_of(json.loads(data))
    except (ValueError, RecursionError):
        raise InvalidRequest("file: is not valid JSON", field="file") from None
    if "agents" not in document:
        document = _from_legacy(document)
    if not objects_of(document.get("agents")):
        raise InvalidRequest("file: holds no agent", field="file")
    return document


def _from_legacy(old: Json) -> Json:
    """The newer form of a legacy file: one agent with its blocks and tools in it."""
    if "system" not in old or "messages" not in old:
        raise InvalidRequest("file: is not an agent file", field="file")
    messages = [
        message | {"id": f"message-{n}"} for n, message in enumerate(objects_of(old["messages"]))
    ]
    inside = [n for n in list_of(old.get("in_context_message_indices")) if isinstance(n, int)]
    blocks = [
        block | {"id": f"block-{n}", "metadata": block.get("metadata_")}
        for n, block in enumerate(objects_of(old.get("core_memory")))
    ]
    tools = [tool | {"id": f"tool-{n}"} for n, tool in enumerate(objects_of(old.get("tools")))]
    tags = [object_of(tag).get("tag", tag) for tag in list_of(old.get("tags"))]
    agent = old | {
        "id": "agent-0",
        "metadata": old.get("metadata_"),
        "tags": tags,
        "messages": messages,
        "in_context_message_ids": [f"message-{n}" for n in inside],
        "block_ids": [block["id"] for block in blocks],
        "tool_ids": [tool["id"] for tool in tools],
        "tools": [],
    }
    return {"agents": [agent], "blocks": blocks, "tools": tools}


def read_tools(document: Json, reading: Reading) -> dict[str, Tool]:
    """The tools of a file by their ids in it: custom ones, and the built-in ones there are here."""
    found: dict[str, Tool] = {}
    for item in objects_of(document.get("tools")):
        name = str(item.get("name") or "")
        source = item.get("source_code")
        if name in BUILTIN_TOOLS or (isinstance(source, str) and source.strip() and name):
            found[str(item.get("id"))] = _tool(item, name, reading)
        else:
            reading.report(f"tool {name!r} was left out: it has no source code and is not built in")
    return found


def _tool(item: Json, name: str, reading: Reading) -> Tool:
    schema = object_of(item.get("json_schema"))
    nothing: Json = {"type": "object", "properties": {}}
    limit = item.get("return_char_limit")
    return Tool(
        id=ToolId(reading.new_id("tool")),
        name=name,
        description=str(item.get("description") or schema.get("description") or ""),
        tool_type="letta_core" if name in BUILTIN_TOOLS else "custom",
        parameters=nothing | object_of(schema.get("parameters")),
        return_char_limit=limit if isinstance(limit, int) and limit > 0 else 50_000,
        requires_approval=bool(item.get("default_requires_approval")),
        source_code=item.get("source_code"),
        tags=tuple(tag for tag in list_of(item.get("tags")) if isinstance(tag, str)),
        metadata=object_of(item.get("metadata_")),
    )


def read_agent(
    item: Json, document: Json, tools: dict[str, Tool], reading: Reading, *, with_messages: bool
) -> FileAgent:
    """One agent of a file."""
    for name, what in _LOST.items():
        if item.get(name):
            reading.report(f"{what} are not imported")
    names = [
        *(str(name) for name in list_of(item.get("tools"))),
        *(tools[i].name for i in list_of(item.get("tool_ids")) if i in tools),
    ]
    known = {tool.name for tool in tools.values()} | set(BUILTIN_TOOLS)
    given = {
        name: value
        for name, value in item.items()
        if name in CreateAgent.model_fields and name not in _NOT_TAKEN and value is not None
    }
    given |= {
        "tools": [name for name in dict.fromkeys(names) if name in known],
        "include_base_tools": False,
        "include_base_tool_rules": False,
        "memory_blocks": list(_blocks(item, document, reading)),
    }
    compaction = object_of(given.get("compaction_settings"))
    if compaction.get("archive_facts"):
        given["compaction_settings"] = {**compaction, "archive_facts": False}
        reading.report("archive_facts is off: whose history is read for facts is decided here")
    given["tool_rules"] = list(_rules(item, set(given["tools"]), reading))
    messages, window_from, summaries = _history(item, reading) if with_messages else ((), 0, ())
    return FileAgent(
        request=_lenient(given, reading),
        messages=messages,
        window_from=window_from,
        summaries=summaries,
    )


def _lenient(given: Json, reading: Reading) -> CreateAgent:
    """The request without the fields that are wrong."""
    while True:
        try:
            return CreateAgent.model_validate(given)
        except ValidationError as exc:
            for name in {str(error["loc"][0]) for error in exc.errors()}:
                reading.report(f"{name} was left out: it is not valid")
                given.pop(name)


def _rules(item: Json, tool_names: set[str], reading: Reading) -> Iterator[Json]:
    for rule in objects_of(item.get("tool_rules")):
        try:
            tool_name = rule_from_wire(_RULE.validate_python(rule)).tool_name
        except (ValidationError, AppError):
            reading.report(f"a tool rule of the type {str(rule.get('type'))[:40]!r} was left out")
            continue
        if tool_name in tool_names:
            yield rule
        else:
            reading.report(f"a rule of the tool {tool_name!r} was left out: it is not attached")


def _blocks(item: Json, document: Json, reading: Reading) -> Iterator[Json]:
    by_id = {block.get("id"): block for block in objects_of(document.get("blocks"))}
    wanted = list_of(item.get("block_ids"))
    for missing in (i for i in wanted if i not in by_id):
        reading.report(f"block {str(missing)[:60]!r} is not in the file")
    labels: set[str] = set()
    chosen = [by_id[i] for i in dict.fromkeys(map(str, wanted)) if i in by_id]
    for block in (*objects_of(item.get("memory_blocks")), *chosen):
        made = _block(block, reading.report)
        label, count = made["label"], 2
        while made["label"] in labels:
            made["label"], count = f"{label}_{count}", count + 1
        if made["label"] != label:
            reading.report(f"a second block {label!r} became {made['label']!r}")
        labels.add(made["label"])
        yield made


def _block(block: Json, report: Report) -> Json:
    label = str(block.get("label") or "block")
    fit = re.sub(r"[^\w.:/-]", "_", label)[:100].lstrip(".:/-") or "block"
    if fit != label:
        report(f"the block {label[:60]!r} became {fit!r}")
    value = str(block.get("value") or "")
    limit = block.get("limit")
    limit = limit if isinstance(limit, int) and limit > 0 else DEFAULT_BLOCK_LIMIT_CHARS
    if len(value) > limit:
        report(f"the limit of block {fit!r} was raised to the {len(value)} characters it holds")
        limit = len(value)
    return {
        "label": fit,
        "value": value,
        "limit": limit,
        "description": block.get("description") or None,
        "read_only": bool(block.get("read_only")),
        "metadata": object_of(block.get("metadata")),
        "tags": [tag for tag in list_of(block.get("tags")) if isinstance(tag, str) and tag],
        "hidden": bool(block.get("hidden")),
    }


def _history(item: Json, reading: Reading) -> tuple[tuple[Message, ...], int, tuple[Summary, ...]]:
    """The messages in order, the place of the first one in context, and the summaries."""
    inside = {str(i) for i in list_of(item.get("in_context_message_ids"))}
    known = objects_of(item.get("messages"))
    if known and known[0].get("role") == "system":
        inside.discard(str(known[0].get("id")))
        known = known[1:]  # the compiled prompt: prompts are compiled from what is stored
    places: dict[str, int] = {}
    messages: list[Message] = []
    for message in known:
        file_id = str(message.get("id"))
        if file_id in places:
            reading.report("messages that were in the file twice were kept once")
            continue
        made = message_from_file(message, reading.new_id("message"), reading.now, reading.report)
        if made is not None:
            places[file_id] = len(messages)
            messages.append(made)
    for missing in sorted(inside - set(places)):
        reading.report(f"message {missing[:60]!r} of the context is not in the file")
    first = min((places[i] for i in inside if i in places), default=0)
    return tuple(messages), first, _summaries(item, places, first, reading)


def _summaries(
    item: Json, places: dict[str, int], window_from: int, reading: Reading
) -> tuple[Summary, ...]:
    return tuple(
        Summary(
            id=reading.new_id("summary"),
            level=0,
            from_seq=places[first] + 1,
            to_seq=places[last] + 1,
            text=text,
            tokens=estimate_text(text),
            model=str(summary.get("model") or "extractive"),
            created_at=reading.now,
        )
        for summary in objects_of(item.get("summaries"))
        if (first := str(summary.get("from_message_id"))) in places
        and (last := str(summary.get("to_message_id"))) in places
        and places[first] <= places[last] < window_from
        and (text := str(summary.get("text") or ""))
    )
