"""Unknown fields: ignored where a client may be newer, refused where they would be lost."""

from __future__ import annotations

import re
import typing
from types import UnionType
from typing import Any

import pytest
from fastapi.routing import APIRoute
from letta_client.types import (
    agent_create_params,
    agent_update_params,
    archive_create_params,
    archive_update_params,
    block_create_params,
    block_update_params,
    conversation_create_params,
    conversation_update_params,
    tool_create_params,
    tool_update_params,
    tool_upsert_params,
)
from letta_client.types.agents import block_update_params as agent_block_update_params
from letta_client.types.agents import passage_create_params
from letta_client.types.archives import passage_create_params as archive_passage_create_params
from pydantic import ValidationError

from remanence.api.routes import ROUTERS
from remanence.api.wire.agent_requests import CreateAgent, UpdateAgent
from remanence.api.wire.archives import ArchivePassageCreate, CreateArchive, UpdateArchive
from remanence.api.wire.blocks import CreateBlock, UpdateBlock
from remanence.api.wire.bodies import WriteBody
from remanence.api.wire.conversations import CreateConversation, UpdateConversation
from remanence.api.wire.passages import PassageCreate
from remanence.api.wire.tool_requests import ToolCreate, ToolUpdate

# What only asks, runs or answers: nothing of such a body is kept as somebody's setting.
_NOT_KEPT = {
    "ApprovalRequest",
    "Approval",
    "AsyncRequest",
    "CancelRequest",
    "ChatRequest",
    "CompactConversation",
    "CompactRequest",
    "ConversationRunRequest",
    "FeedbackRequest",
    "IdentityProperty",
    "MessageSearch",
    "PassageSearch",
    "RecompileRequest",
    "ResetRequest",
    "ResponseRequest",
    "ResumeConversationRequest",
    "ResumeRequest",
    "ResumeRunRequest",
    "RunRequest",
    "ToolRunRequest",
    "ToolSearch",
    "UndoRequest",
}
# Takes no unknown field at all.
_STRICT = {"CapsFields"}

SDK: list[tuple[type[WriteBody], type[Any]]] = [
    (CreateAgent, agent_create_params.AgentCreateParams),
    (UpdateAgent, agent_update_params.AgentUpdateParams),
    (CreateArchive, archive_create_params.ArchiveCreateParams),
    (UpdateArchive, archive_update_params.ArchiveUpdateParams),
    (ArchivePassageCreate, archive_passage_create_params.PassageCreateParams),
    (PassageCreate, passage_create_params.PassageCreateParams),
    (CreateBlock, block_create_params.BlockCreateParams),
    (UpdateBlock, block_update_params.BlockUpdateParams),
    (UpdateBlock, agent_block_update_params.BlockUpdateParams),
    (CreateConversation, conversation_create_params.ConversationCreateParams),
    (UpdateConversation, conversation_update_params.ConversationUpdateParams),
    (ToolCreate, tool_create_params.ToolCreateParams),
    (ToolCreate, tool_upsert_params.ToolUpsertParams),
    (ToolUpdate, tool_update_params.ToolUpdateParams),
]


def bodies() -> set[type[Any]]:
    """The types of the bodies of all routes."""
    found: set[type[Any]] = set()
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.body_field is not None:
                kind = route.body_field.field_info.annotation
                several = typing.get_origin(kind) in (UnionType, typing.Union, list)
                found |= set(typing.get_args(kind)) if several else {kind}
    return {kind for kind in found if isinstance(kind, type) and kind is not type(None)}


def test_every_body_that_is_kept_follows_the_rule() -> None:
    loose = {kind.__name__ for kind in bodies() if not issubclass(kind, WriteBody)}

    assert loose - _NOT_KEPT - _STRICT == set()
    assert len(bodies()) - len(loose) >= 14


def wire_names(params: type[Any]) -> list[str]:
    """The names of the SDK's parameters as it sends them."""
    aliases = {
        name: re.search(r"alias=['\"](\w+)", str(kind))
        for name, kind in params.__annotations__.items()
    }
    return [alias[1] if alias else name for name, alias in aliases.items()]


def problems(body: type[WriteBody], given: dict[str, Any]) -> set[str]:
    try:
        body.model_validate(given)
    except ValidationError as error:
        return {problem["type"] for problem in error.errors()}
    return set()


@pytest.mark.parametrize(("body", "params"), SDK)
def test_no_field_of_the_sdk_is_taken_for_a_slip(body: type[WriteBody], params: type[Any]) -> None:
    for name in wire_names(params):
        given = {name: None, "name": "x", "label": "x", "value": "x", "text": "x"}
        assert "misspelt_field" not in problems(body, given), name


@pytest.mark.parametrize(
    ("body", "given", "meant"),
    [
        (UpdateBlock, {"value": "x", "descripton": "y"}, "description"),
        (UpdateBlock, {"read-only": True, "value": "x"}, "read_only"),
        (CreateBlock, {"label": "a", "value": "b", "metadat": {}}, "metadata"),
        (CreateAgent, {"name": "x", "memory_block": []}, "memory_blocks"),
        (CreateAgent, {"memory_blocks": [{"label": "a", "value": "b", "limits": 5}]}, "limit"),
        (UpdateAgent, {"name": "x", "tool_id": []}, "tool_ids"),
        (ToolUpdate, {"name": "x", "source_codes": "y"}, "source_code"),
    ],
)
def test_slip_of_the_pen_is_refused_with_what_was_meant(
    body: type[WriteBody], given: dict[str, Any], meant: str
) -> None:
    with pytest.raises(ValidationError, match=f"is no field here: '{meant}' is"):
        body.model_validate(given)


def test_body_of_which_nothing_is_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="nothing of it is a field here"):
        UpdateAgent.model_validate({"colour": "red"})
    with pytest.raises(ValidationError, match="nothing of it is a field here"):
        UpdateConversation.model_validate({"colour": "red", "shape": "round"})


def test_field_of_a_newer_client_is_ignored() -> None:
    assert UpdateAgent.model_validate({"name": "x", "colour": "red"}).name == "x"
    assert UpdateAgent.model_validate({}).model_fields_set == set()
