"""Agent files: an agent written to a file, and made again from one."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from remanence.api.agent_secrets import sealed, secrets_of_text
from remanence.api.conversation_refs import conversation_ref
from remanence.api.deps import Call, ThisCall
from remanence.api.forms import Form, ThisForm
from remanence.api.gate import check_json
from remanence.api.ids import AgentIdPath
from remanence.api.wire.agent_file import Export, to_file, to_legacy_file
from remanence.api.wire.agent_file_import import (
    FileAgent,
    Reading,
    parse_file,
    read_agent,
    read_tools,
)
from remanence.api.wire.agent_requests import CreateAgent, Making
from remanence.api.wire.loose import objects_of
from remanence.api.wire.problems import UNSERVED
from remanence.core.context import compile_context
from remanence.core.types import Message
from remanence.db.agent_import import ImportedAgent
from remanence.db.catalog_agents import NewAgent
from remanence.db.history import Stretch
from remanence.errors import InvalidRequest, LimitExceeded, NotFound

router = APIRouter(tags=["agent files"])

# Messages in a file: the newest of a longer history.
MAX_MESSAGES = 5_000
_PAGE = 1_000


@router.get("/v1/agents/{agent_id}/export", response_class=Response)
def export_agent(
    agent_id: AgentIdPath,
    call: ThisCall,
    conversation_id: Annotated[
        str | None, Query(description="Whose messages; null: the agent's own.")
    ] = None,
    scrub_messages: Annotated[bool, Query(description="Leave the messages out.")] = False,
    use_legacy_format: Annotated[bool, Query(description="The form with one agent.")] = False,
    max_steps: Annotated[
        int | None, Query(description="Without effect: a file holds messages, not steps.")
    ] = None,
) -> Response:
    """Write an agent to a file: configuration, memory, tools and the newest 5,000 messages.

    Passages and secrets are not in it.
    """
    del max_steps
    deps = call.deps
    view = deps.catalog.agents.load_agent(call.org_id, agent_id)
    ref = conversation_ref(conversation_id or "default", agent_id)
    known = deps.catalog.conversations.load_conversation(call.org_id, ref)
    state = deps.engine.peek(call.org_id, known.id)
    zone = deps.zones(state.agent.timezone)
    export = Export(
        view=view,
        prompt=None if scrub_messages else compile_context(state, zone).request.system,
        messages=() if scrub_messages else _newest(call, known.id),
        in_context=frozenset(message.id for message in state.window),
        summaries=() if scrub_messages else state.summaries,
        now=deps.now(),
    )
    document = to_legacy_file(export) if use_legacy_format else to_file(export)
    return Response(json.dumps(document, indent=2), media_type="application/json")


def _newest(call: Call, conversation_id: str) -> list[Message]:
    found: list[Message] = []
    before: str | None = None
    while len(found) < MAX_MESSAGES:
        page = call.deps.history.list_messages(
            call.org_id, None, conversation_id, Stretch(before=before, limit=_PAGE)
        )
        found = [*page, *found]
        if len(page) < _PAGE:
            break
        before = page[0].id
    return found


class ImportAnswer(BaseModel):
    """What came of a file."""

    agent_ids: list[str] = Field(description="The agents that were made, in the file's order.")
    repairs: list[str] = Field(description="What could not be kept as it was, and why.")


class ImportForm(BaseModel):
    """The fields of the form that makes agents from a file."""

    file: str = Field(description="The file.", json_schema_extra={"format": "binary"})
    name: str | None = Field(default=None, description="Instead of the file's.")
    override_name: str | None = Field(default=None, description="Old form of `name`.")
    append_copy_suffix: bool = Field(default=False, description="Put _copy behind the name.")
    model: str | None = Field(default=None, description="provider/model, instead of the file's.")
    override_model_handle: str | None = Field(default=None, description="Old form of `model`.")
    embedding: str | None = Field(
        default=None, description="provider/model, instead of the file's."
    )
    override_embedding_handle: str | None = Field(
        default=None, description="Old form of `embedding`."
    )
    override_existing_tools: bool = Field(
        default=True, description="Whether a custom tool of the same name becomes the file's."
    )
    strip_messages: bool = Field(default=False, description="Leave the messages out.")
    project_id: str | None = Field(default=None, description="Kept; lists filter by it.")
    secrets: str | None = Field(
        default=None, description="A JSON object: environment of the agents' custom tools; sealed."
    )
    env_vars_json: str | None = Field(default=None, description="Old form of `secrets`.")


# FastAPI reads forms with a package of its own; this one is read by forms.py, and described here.
_FORM = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": ImportForm.model_json_schema()}},
    }
}
OverrideEmbeddingHeader = Annotated[
    str | None,
    Header(alias="x-override-embedding-model", description="Old form of `embedding`."),
]


@router.post("/v1/agents/import", responses=UNSERVED, openapi_extra=_FORM)
def import_agents(
    form: ThisForm, call: ThisCall, override_embedding: OverrideEmbeddingHeader = None
) -> ImportAnswer:
    """Make the agents of a file, all or none, with new ids.

    Both generations of agent files are read. What is broken in one is mended or left out, and
    the answer says so.
    """
    data = form.fields.get("file")
    if data is None:
        raise InvalidRequest("file is required", field="file")
    if override_embedding:
        form = form.or_else("embedding", override_embedding)
    secrets = secrets_of_text(form.text("secrets", "env_vars_json"), field="secrets")
    check_json(data)
    document = parse_file(data)
    reading = Reading(new_id=call.deps.new_id, now=call.deps.now())
    tools = read_tools(document, reading)
    strip = form.flag("strip_messages", default=False)
    agents = [
        _with_secrets(
            _to_import(
                read_agent(item, document, tools, reading, with_messages=not strip),
                form,
                reading,
                call,
            ),
            secrets,
            call,
        )
        for item in objects_of(document["agents"])
    ]
    ids = call.deps.catalog.imports.import_agents(
        call.org_id,
        agents,
        [tool for tool in tools.values() if tool.tool_type == "custom"],
        override_existing_tools=form.flag("override_existing_tools", default=True),
    )
    return ImportAnswer(agent_ids=ids, repairs=reading.repairs)


def _to_import(agent: FileAgent, form: Form, reading: Reading, call: Call) -> ImportedAgent:
    request = _renamed(agent.request, form)
    new = _made(_with_model(request, form, reading, call), reading, call)
    return ImportedAgent(
        new=replace(new, messages=agent.messages),
        window_from_seq=agent.window_from + 1,
        summaries=agent.summaries,
    )


def _with_secrets(imported: ImportedAgent, secrets: Mapping[str, str], call: Call) -> ImportedAgent:
    """A file holds no secrets: those of the form are each of its agents'."""
    new = imported.new
    return replace(imported, new=replace(new, secrets=sealed(secrets, new.agent.id, call)))


def _renamed(request: CreateAgent, form: Form) -> CreateAgent:
    name = form.text("name", "override_name") or request.name
    if name and form.flag("append_copy_suffix", default=False):
        name += "_copy"
    changes: dict[str, object] = {"name": name}
    embedding = form.text("embedding", "override_embedding_handle")
    if embedding:
        changes |= {"embedding": embedding, "embedding_config": None}
    project_id = form.text("project_id")
    if project_id:
        changes["project_id"] = project_id
    return request.model_copy(update=changes)


def _with_model(request: CreateAgent, form: Form, reading: Reading, call: Call) -> CreateAgent:
    """With the model asked for, the file's if it is offered here, or the default."""
    asked = form.text("model", "override_model_handle")
    if asked:
        return request.model_copy(update={"model": asked})
    try:
        handle = request.model or (request.llm_config and request.llm_config.to_handle())
        if handle:
            call.models.context_window(handle)
            return request
    except (NotFound, InvalidRequest):
        pass
    default = call.deps.default_model
    if default is None:
        raise InvalidRequest("model is required: the file's is not offered here", field="model")
    reading.report(f"the model is {default!r}: the one of the file is not offered here")
    return request.model_copy(update={"model": default})


def _made(request: CreateAgent, reading: Reading, call: Call) -> NewAgent:
    """The agent; without its rules or its window if they do not fit here."""
    deps = call.deps
    making = Making(
        new_id=deps.new_id,
        now=deps.now(),
        window_of=call.models.context_window,
        default_model=deps.default_model,
        default_embedding=None,
        tool_names={},
    )
    try:
        return request.to_new(making)
    except LimitExceeded:
        reading.report("the context window is the model's: the one of the file is larger")
        return _made(request.model_copy(update={"context_window_limit": None}), reading, call)
    except InvalidRequest as exc:
        if not request.tool_rules:
            raise
        reading.report(f"the tool rules were left out: {exc.message}")
        return _made(request.model_copy(update={"tool_rules": []}), reading, call)
