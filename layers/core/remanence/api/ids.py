"""Ids in paths: their shape is checked here, whether they exist is the catalog's to say."""

import re
import uuid
from collections.abc import Callable
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from remanence.core.ids import Kind, is_id
from remanence.errors import InvalidRequest

_EXAMPLE_UUID = "123e4567-e89b-42d3-a456-426614174000"


def check_id(kind: Kind, text: str, *, field: str) -> str:
    """The id, if it has the shape of one of this kind.

    Raises:
        InvalidRequest: it has not; the message shows what it should look like.
    """
    if not is_id(kind, text):
        raise InvalidRequest(f"{field}: {_shape_of(kind)}", field=field)
    return text


def _shape_of(kind: Kind) -> str:
    return f"must look like '{kind}-{_EXAMPLE_UUID}'"


def _validator(kind: Kind) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not is_id(kind, text):
            raise PydanticCustomError("malformed_id", "{shape}", {"shape": _shape_of(kind)})
        return text

    return check


def of_kind(kind: Kind) -> AfterValidator:
    """A validator for a field that holds an id of this kind."""
    return AfterValidator(_validator(kind))


def run_id_of(response_id: str) -> str:
    """The run that a response of the OpenAI routes is: `resp_` and the digits of its uuid.

    Raises:
        InvalidRequest: it has not that shape.
    """
    match = re.fullmatch("resp_([0-9a-f]{32})", response_id)
    if match is None:
        raise InvalidRequest(
            "response_id: must look like 'resp_123e4567e89b42d3a456426614174000'",
            field="response_id",
        )
    return f"run-{uuid.UUID(match[1])}"


AgentIdPath = Annotated[str, of_kind("agent"), Path(description="The agent's id.")]
ArchiveIdPath = Annotated[str, of_kind("archive"), Path(description="The archive's id.")]
BlockIdPath = Annotated[str, of_kind("block"), Path(description="The block's id.")]
IdentityIdPath = Annotated[str, of_kind("identity"), Path(description="The identity's id.")]
PassageIdPath = Annotated[str, of_kind("passage"), Path(description="The passage's id.")]
MessageIdPath = Annotated[str, of_kind("message"), Path(description="The message's id.")]
ResponseIdPath = Annotated[str, Path(description="The response's id.")]
ProviderIdPath = Annotated[str, of_kind("provider"), Path(description="The provider's id.")]
RunIdPath = Annotated[str, of_kind("run"), Path(description="The run's id.")]
StepIdPath = Annotated[str, of_kind("step"), Path(description="The step's id.")]
ToolIdPath = Annotated[str, of_kind("tool"), Path(description="The tool's id.")]
