"""Custom tools for a step: the source is read when it is needed, and run by a sandbox.

Path: engine.lookups, engine.run_tool -> CustomTools.run -> db, sandbox. The state of a step
carries no source code: it would travel with every step and be needed in few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from remanence.core.custom_tools import ToolRan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remanence.core.custom_tools import ToolRun
    from remanence.core.ids import OrgId
    from remanence.core.types import Tool

# Shorter values are no secrets, and stand in many a text by chance.
SHORTEST_COVERED_CHARS = 6
# What is kept free for the commit after a tool, in seconds.
COMMIT_S = 3.0


class Sandbox(Protocol):
    """Runs a tool's source outside of this process."""

    def run(self, run: ToolRun, *, timeout_s: float) -> ToolRan:
        """Run it to its end, or until its time is over. Never raises for what a tool does."""
        ...


class ToolSources(Protocol):
    """Where tools are kept."""

    def load_tool_to_run(
        self, org_id: OrgId, tool_id: str, agent_id: str
    ) -> tuple[Tool, Mapping[str, str]]:
        """A tool with its source, and the sealed secrets of the agent that runs it.

        Raises:
            NotFound: there is no such tool.
        """
        ...


class Opener(Protocol):
    """Opens what was sealed."""

    def open(self, sealed: str, *place: str) -> str:
        """The text of a seal.

        Raises:
            SealBroken: it does not open here.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomTools:
    """Runs custom tools; holds nothing of its own."""

    sources: ToolSources
    sandbox: Sandbox
    opener: Opener

    def run(self, org_id: OrgId, run: ToolRun, *, timeout_s: float) -> ToolRan:
        """Run a tool as its source is now, with its agent's secrets in the environment.

        What it gives back is told without them, since that is stored and read by the model.

        Raises:
            NotFound: the tool was deleted meanwhile.
            SealBroken: a secret was sealed with a key that is not here.
        """
        tool, seals = self.sources.load_tool_to_run(org_id, run.tool.id, run.agent_id)
        if not tool.source_code:
            return ToolRan(text=f"The tool {tool.name} has no source code.", status="error")
        secrets = {
            name: self.opener.open(seal, org_id, run.agent_id, name) for name, seal in seals.items()
        }
        ran = self.sandbox.run(
            replace(run, tool=tool, environment=secrets), timeout_s=timeout_s - COMMIT_S
        )
        return _without(secrets, ran)


def _without(secrets: Mapping[str, str], ran: ToolRan) -> ToolRan:
    """What a tool gave back, with each secret replaced by its name; longer ones first."""

    def covered(text: str) -> str:
        for name, value in sorted(secrets.items(), key=lambda item: -len(item[1])):
            if len(value) >= SHORTEST_COVERED_CHARS:
                text = text.replace(value, f"[secret {name}]")
        return text

    return replace(
        ran,
        text=covered(ran.text),
        stdout=tuple(map(covered, ran.stdout)),
        stderr=tuple(map(covered, ran.stderr)),
    )
