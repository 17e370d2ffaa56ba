"""A tool run and its answer as JSON, between a sandbox and whoever asks it. Both sides use this.

Path: sandbox.lambda_invoke -> functions/tool -> sandbox.local, and back. What comes back is read
as a stranger's: every field is checked, and what does not fit is an error the model can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from remanence.core.clean import clean_text
from remanence.core.custom_tools import ToolRan, ToolRun
from remanence.core.ids import ToolId
from remanence.core.types import Tool

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject

# Characters of a return that are carried at all; a tool's own limit is mostly lower.
MOST_RETURN_CHARS = 1_000_000
# Lines and characters kept of what a tool printed.
MOST_LINES = 200
MOST_PRINTED_CHARS = 32_000
_UNREADABLE = "the tool's process gave no readable answer"


def run_to_json(run: ToolRun, timeout_s: float) -> JsonObject:
    """A run as a request: all that a sandbox has to know, and nothing else."""
    requirements = run.tool.extras.get("pip_requirements")
    return {
        "tool_call_id": run.tool_call_id,
        "tool_id": run.tool.id,
        "org_id": run.org_id,
        "agent_id": run.agent_id,
        "name": run.tool.name,
        "source_code": run.tool.source_code or "",
        "arguments": run.arguments,
        "requirements": bool(requirements),
        "environment": dict(run.environment),
        "timeout_s": timeout_s,
    }


def run_from_json(request: dict[str, Any]) -> tuple[ToolRun, float]:
    """The run of a request, and its time limit in seconds.

    Raises:
        KeyError: it is none.
    """
    tool = Tool(
        id=ToolId(request["tool_id"]),
        name=request["name"],
        description="",
        tool_type="custom",
        parameters={},
        source_code=request["source_code"],
        extras={"pip_requirements": [{}] if request["requirements"] else None},
    )
    run = ToolRun(
        tool_call_id=request["tool_call_id"],
        tool=tool,
        arguments=request["arguments"],
        org_id=request["org_id"],
        agent_id=request["agent_id"],
        environment=request.get("environment", {}),  # a caller of the version before sends none
    )
    return run, float(request["timeout_s"])


def ran_to_json(ran: ToolRan) -> JsonObject:
    """An answer as JSON."""
    return {
        "status": ran.status,
        "text": ran.text,
        "stdout": list(ran.stdout),
        "stderr": list(ran.stderr),
    }


def ran_from_json(answer: Any) -> ToolRan:
    """An answer as a value, whatever it is."""
    if not isinstance(answer, dict):
        return ToolRan(text=_UNREADABLE, status="error")
    values = cast("dict[str, Any]", answer)  # it was read from JSON
    status, text = values.get("status"), values.get("text")
    if status not in ("success", "error") or not isinstance(text, str):
        return ToolRan(text=_UNREADABLE, status="error")
    return ToolRan(
        text=clean_text(text[:MOST_RETURN_CHARS]),
        status=status,
        stdout=printed(values.get("stdout")),
        stderr=printed(values.get("stderr")),
    )


def printed(lines: Any) -> tuple[str, ...]:
    """Lines that a tool printed, as many as are kept."""
    if isinstance(lines, str):
        lines = lines[:MOST_PRINTED_CHARS].splitlines()
    if not isinstance(lines, list):
        return ()
    several: list[Any] = lines  # pyright: ignore[reportUnknownVariableType]  of whatever
    return tuple(clean_text(str(line)[:MOST_PRINTED_CHARS]) for line in several[:MOST_LINES])
