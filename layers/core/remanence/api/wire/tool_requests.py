"""What callers say about a custom tool, and what comes of running one.

Path: routes/tools.py, agent_tools.py -> here -> core.tool_specs.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from remanence.api.wire.bodies import WriteBody
from remanence.core.builtin import DEFAULT_RETURN_CHAR_LIMIT
from remanence.core.custom_tools import ToolRan
from remanence.core.ids import ToolId
from remanence.core.tool_specs import MOST_RETURN_CHARS, ToolDraft, make_tool
from remanence.core.types import Tool
from remanence.errors import Conflict, InvalidRequest


class PipRequirement(BaseModel):
    """A package a tool imports; this deployment must have it."""

    name: str = Field(min_length=1, description="The package's name.")
    version: str | None = Field(default=None, description="Its version; mostly left out.")


class _ToolFields(WriteBody):
    """What may be said of a tool when it is made and when it is changed."""

    description: str | None = Field(
        default=None, description="What the model is told. Default: the docstring's."
    )
    json_schema: dict[str, Any] | None = Field(
        default=None,
        description="name, description and parameters (JSON schema). Default: from the source.",
    )
    args_json_schema: dict[str, Any] | None = Field(
        default=None, description="The parameters alone. Default: from the source."
    )
    tags: list[str] | None = Field(default=None, description="To find it by.")
    default_requires_approval: bool | None = Field(
        default=None, description="Whether calls wait for approval where an agent does not say."
    )
    enable_parallel_execution: bool | None = Field(
        default=None, description="Kept without effect: calls with outside effects run in order."
    )
    pip_requirements: list[PipRequirement] | None = Field(
        default=None, description="Of the packages that this deployment has for tools."
    )
    npm_requirements: list[dict[str, Any]] | None = Field(
        default=None, description="Not served: refused unless empty, as tools are Python."
    )

    def _check_language(self, source_type: str | None) -> None:
        if self.npm_requirements or source_type not in (None, "python"):
            raise InvalidRequest(
                "tools are Python here: write it in Python, or keep it in your program and pass "
                "it as one of client_tools",
                field="source_type",
            )


class ToolCreate(_ToolFields):
    """A custom tool to be made. One of the same name becomes this one."""

    source_code: str = Field(
        min_length=1,
        description="Python. The tool is its last public function; at most 200,000 characters.",
    )
    source_type: str | None = Field(default="python", description="python.")
    return_char_limit: int = Field(
        default=DEFAULT_RETURN_CHAR_LIMIT,
        ge=1,
        le=MOST_RETURN_CHARS,
        description="Characters of a return the model is shown.",
    )

    def to_tool(self, tool_id: ToolId, installed: Mapping[str, str | None]) -> Tool:
        """The tool.

        Raises:
            InvalidRequest, LimitExceeded: see make_tool; or it is no Python.
        """
        self._check_language(self.source_type)
        draft = ToolDraft(
            source_code=self.source_code,
            description=self.description,
            json_schema=self.json_schema,
            args_json_schema=self.args_json_schema,
            tags=tuple(self.tags or ()),
            return_char_limit=self.return_char_limit,
            requires_approval=bool(self.default_requires_approval),
            pip_requirements=_dumped(self.pip_requirements),
            extras={"enable_parallel_execution": bool(self.enable_parallel_execution)},
        )
        return make_tool(tool_id, draft, installed)

    def given(self) -> set[str]:
        """The names of the fields that were said."""
        return {name for name in self.model_fields_set if getattr(self, name) is not None}


class ToolUpdate(_ToolFields):
    """What shall change about a custom tool; what is left out stays."""

    source_code: str | None = Field(default=None, min_length=1, description="New source.")
    source_type: str | None = Field(default=None, description="python.")
    return_char_limit: int | None = Field(
        default=None,
        ge=1,
        le=MOST_RETURN_CHARS,
        description="Characters of a return the model is shown.",
    )
    metadata_: dict[str, Any] | None = Field(default=None, description="The caller's own.")

    def applied_to(self, tool: Tool, installed: Mapping[str, str | None]) -> Tool:
        """The tool as it shall be. A new source is read anew; what was said beside it is kept.

        Raises:
            Conflict: it is built in.
            InvalidRequest, LimitExceeded: see make_tool; or it is no Python.
        """
        if tool.source_code is None:
            raise Conflict(f"the tool {tool.name!r} is built in: it cannot be changed")
        self._check_language(self.source_type)
        extras = dict(tool.extras)
        if self.enable_parallel_execution is not None:
            extras["enable_parallel_execution"] = self.enable_parallel_execution
        draft = ToolDraft(
            source_code=self.source_code or tool.source_code,
            description=self._description(tool),
            json_schema=self._schema(tool),
            args_json_schema=self.args_json_schema,
            tags=tool.tags if self.tags is None else tuple(self.tags),
            return_char_limit=self.return_char_limit or tool.return_char_limit,
            requires_approval=_either(self.default_requires_approval, tool.requires_approval),
            pip_requirements=(
                tuple(tool.extras.get("pip_requirements") or ())  # type: ignore[arg-type]  # as it was stored
                if self.pip_requirements is None
                else _dumped(self.pip_requirements)
            ),
            metadata=tool.metadata if self.metadata_ is None else self.metadata_,
            extras=extras,
        )
        return make_tool(tool.id, draft, installed)

    def _is_read_anew(self) -> bool:
        return self.source_code is not None or self.json_schema is not None

    def _description(self, tool: Tool) -> str | None:
        if self.description is not None or self._is_read_anew():
            return self.description
        return tool.description

    def _schema(self, tool: Tool) -> dict[str, Any] | None:
        if self._is_read_anew() or self.args_json_schema is not None:
            return self.json_schema
        return {"name": tool.name, "parameters": tool.parameters}


def _either(said: bool | None, before: bool) -> bool:
    return before if said is None else said


def _dumped(requirements: list[PipRequirement] | None) -> tuple[dict[str, Any], ...]:
    return tuple(each.model_dump() for each in requirements or ())


class ToolSearch(BaseModel):
    """What to look for among tools."""

    query: str | None = Field(default=None, description="Words; empty: the newest tools.")
    search_mode: str = Field(default="hybrid", description="Without effect: all search by words.")
    tags: list[str] | None = Field(default=None, description="Tools with any of these.")
    tool_types: list[str] | None = Field(default=None, description="Tools of these types.")
    limit: int = Field(default=50, ge=1, le=100, description="Results at most.")


class ToolRunRequest(BaseModel):
    """A call of a tool by hand."""

    args: dict[str, Any] = Field(default_factory=dict, description="Arguments, by name.")


class ToolExecutionResult(BaseModel):
    """What a tool gave back."""

    status: str = Field(description="success, or error.")
    func_return: Any = Field(default=None, description="What it returned, or the error.")
    stdout: list[str] = Field(description="Lines it printed.")
    stderr: list[str] = Field(description="Lines it printed to standard error.")
    agent_state: None = Field(default=None, description="Never given: tools do not get the agent.")
    sandbox_config_fingerprint: None = None


def ran_to_wire(ran: ToolRan) -> ToolExecutionResult:
    """What a tool gave back, as the protocol shows it."""
    return ToolExecutionResult(
        status=ran.status, func_return=ran.text, stdout=list(ran.stdout), stderr=list(ran.stderr)
    )
