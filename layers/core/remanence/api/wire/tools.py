"""Tools and tool rules as the protocol shows them, and rules as callers write them.

Path: routes/tools.py, agent_tools.py and wire/agents.py -> here -> core Tool, ToolRule.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from remanence.core.exchange import JsonObject, JsonValue
from remanence.core.ids import DEFAULT_USER_ID
from remanence.core.types import Tool, ToolRule
from remanence.errors import InvalidRequest

# Of a tool that the caller runs: what every provider takes.
CallerToolName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class ToolState(BaseModel):
    """A tool an agent may call."""

    id: str = Field(description="The tool's id.")
    name: str = Field(description="What the model calls it.")
    description: str = Field(description="What the model is told about it.")
    tool_type: str = Field(description="custom, or one of the built-in kinds (letta_...).")
    source_type: str | None = "python"
    source_code: str | None = Field(description="Of a custom tool; built-in ones have none.")
    json_schema: dict[str, Any] = Field(description="name, description and parameters.")
    args_json_schema: dict[str, Any] | None = None
    tags: list[str] = Field(description="To find it by.")
    return_char_limit: int = Field(description="Characters of a return the model is shown.")
    default_requires_approval: bool | None = Field(description="Whether calls wait for approval.")
    enable_parallel_execution: bool = False
    pip_requirements: list[dict[str, Any]] | None = None
    npm_requirements: list[dict[str, Any]] | None = None
    metadata_: dict[str, Any] = Field(description="The caller's own.")
    project_id: str | None = None
    created_by_id: str | None = DEFAULT_USER_ID
    last_updated_by_id: str | None = DEFAULT_USER_ID


class ToolFound(BaseModel):
    """A tool that a search found."""

    tool: ToolState
    combined_score: float = Field(description="0 to 1: how much of the query it has.")
    fts_rank: int | None = Field(default=None, description="Its place, from 1.")
    vector_rank: int | None = None
    embedded_text: str | None = None


def tool_to_wire(tool: Tool) -> ToolState:
    """A tool as the protocol shows it."""
    kept = tool.extras
    return ToolState(
        id=tool.id,
        name=tool.name,
        description=tool.description,
        tool_type=tool.tool_type,
        source_code=tool.source_code,
        json_schema={
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
        args_json_schema=_object(kept.get("args_json_schema")),
        enable_parallel_execution=kept.get("enable_parallel_execution") is True,
        pip_requirements=_objects(kept.get("pip_requirements")),
        tags=list(tool.tags),
        return_char_limit=tool.return_char_limit,
        default_requires_approval=tool.requires_approval,
        metadata_=tool.metadata,
    )


def _object(stored: JsonValue) -> dict[str, Any] | None:
    return stored if isinstance(stored, dict) else None


def _objects(stored: JsonValue) -> list[dict[str, Any]] | None:
    if not isinstance(stored, list):
        return None
    return [each for each in stored if isinstance(each, dict)]


class _Rule(BaseModel):
    """What all rules have."""

    tool_name: str = Field(min_length=1, description="The tool it is about.")
    prompt_template: str | None = Field(
        default=None, description="Kept without effect: rules are told in words of ours."
    )


class RunFirst(_Rule):
    """The first call of a run; `args` replace the model's arguments of the same names."""

    type: Literal["run_first"]
    args: dict[str, Any] | None = None


class ExitLoop(_Rule):
    """A call of it ends the run."""

    type: Literal["exit_loop"]


class ContinueLoop(_Rule):
    """After a call of it the run goes on."""

    type: Literal["continue_loop"]


class ChildArgs(BaseModel):
    """Arguments given in advance to a child."""

    name: str
    args: dict[str, Any] | None = None


class ConstrainChildTools(_Rule):
    """After a call of it, only its children may be called."""

    type: Literal["constrain_child_tools"]
    children: list[str]
    child_arg_nodes: list[ChildArgs] | None = None


class Conditional(_Rule):
    """After a call of it, what it returned decides which tool may be called."""

    type: Literal["conditional"]
    child_output_mapping: dict[str, str]
    default_child: str | None = None
    require_output_mapping: bool = False


class ParentLastTool(_Rule):
    """Its children may be called only directly after it."""

    type: Literal["parent_last_tool"]
    children: list[str]


class RequiredBeforeExit(_Rule):
    """A run may not end before it was called."""

    type: Literal["required_before_exit"]


class MaxCountPerStep(_Rule):
    """It may be called this many times in a run."""

    type: Literal["max_count_per_step"]
    max_count_limit: int = Field(ge=1)


class RequiresApproval(_Rule):
    """A call of it waits for approval."""

    type: Literal["requires_approval"]


RuleFields = Annotated[
    RunFirst
    | ExitLoop
    | ContinueLoop
    | ConstrainChildTools
    | Conditional
    | ParentLastTool
    | RequiredBeforeExit
    | MaxCountPerStep
    | RequiresApproval,
    Field(discriminator="type"),
]


def rule_from_wire(rule: RuleFields) -> ToolRule:
    """A rule as the core takes it; arguments for children are its `args`, by child.

    Raises:
        InvalidRequest: it gives arguments to a tool that is not among its children.
    """
    given = rule.model_dump(exclude={"child_arg_nodes"})
    if isinstance(rule, ConstrainChildTools) and rule.child_arg_nodes is not None:
        for node in rule.child_arg_nodes:
            if node.name not in rule.children:
                raise InvalidRequest(
                    f"tool_rules: child_arg_nodes names {node.name!r}, which is not among the "
                    f"children of {rule.tool_name!r}",
                    field="tool_rules",
                )
        given["args"] = {node.name: node.args for node in rule.child_arg_nodes}
    if "children" in given:
        given["children"] = tuple(given["children"])
    return ToolRule(**given)


def rule_to_wire(rule: ToolRule) -> JsonObject:
    """A rule as the protocol shows it: the keys that belong to its type."""
    wire: JsonObject = {
        "type": rule.type,
        "tool_name": rule.tool_name,
        "prompt_template": rule.prompt_template,
    }
    match rule.type:
        case "run_first":
            wire["args"] = rule.args
        case "constrain_child_tools":
            nodes: list[JsonValue] = [
                {"name": name, "args": args} for name, args in (rule.args or {}).items()
            ]
            wire |= {
                "children": list(rule.children),
                "child_arg_nodes": None if rule.args is None else nodes,
            }
        case "parent_last_tool":
            wire["children"] = list(rule.children)
        case "conditional":
            wire |= {
                "child_output_mapping": rule.child_output_mapping,
                "default_child": rule.default_child,
                "require_output_mapping": rule.require_output_mapping,
            }
        case "max_count_per_step":
            wire["max_count_limit"] = rule.max_count_limit
        case "exit_loop" | "continue_loop" | "required_before_exit" | "requires_approval":
            pass
    return wire
