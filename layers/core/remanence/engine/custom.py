"""Custom tools for a step: the source is read when it is needed, and run by a sandbox.

Path: engine.lookups, engine.run_tool -> CustomTools.run -> db, sandbox. The state of a step
carries no source code: it would travel with every step and be needed in few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from remanence.core.custom_tools import ToolRan

if TYPE_CHECKING:
    from remanence.core.custom_tools import ToolRun
    from remanence.core.ids import OrgId
    from remanence.core.types import Tool

# What is kept free for the commit after a tool, in seconds.
COMMIT_S = 3.0


class Sandbox(Protocol):
    """Runs a tool's source outside of this process."""

    def run(self, run: ToolRun, *, timeout_s: float) -> ToolRan:
        """Run it to its end, or until its time is over. Never raises for what a tool does."""
        ...


class ToolSources(Protocol):
    """Where tools are kept."""

    def load_tool(self, org_id: OrgId, tool_id: str) -> Tool:
        """A tool with its source.

        Raises:
            NotFound: there is none.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomTools:
    """Runs custom tools; holds nothing of its own."""

    sources: ToolSources
    sandbox: Sandbox

    def run(self, org_id: OrgId, run: ToolRun, *, timeout_s: float) -> ToolRan:
        """Run a tool as its source is now.

        Raises:
            NotFound: the tool was deleted meanwhile.
        """
        tool = self.sources.load_tool(org_id, run.tool.id)
        if not tool.source_code:
            return ToolRan(text=f"The tool {tool.name} has no source code.", status="error")
        return self.sandbox.run(replace(run, tool=tool), timeout_s=timeout_s - COMMIT_S)
