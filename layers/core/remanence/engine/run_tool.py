"""Running one tool of an agent by hand, outside of any run.

Path: api.routes.agent_tools -> ToolDesk.run -> core.calls, engine.lookups -> db. A custom tool
runs in the sandbox; what a built-in one changes is written like an edit by a caller, versioned.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from remanence.core.calls import Clock, block_changes, read_calls, run_calls
from remanence.core.custom_tools import ToolRan
from remanence.core.exchange import Reply, ToolCall
from remanence.core.rules import Allowed
from remanence.engine.lookups import find_all
from remanence.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.calls import BlockChanges
    from remanence.core.exchange import JsonObject
    from remanence.core.findings import NewPassage
    from remanence.core.ids import OrgId
    from remanence.core.types import State
    from remanence.engine.deps import EngineDeps

# Others would have to edit the same blocks that often in a row for a run to give up.
_TRIES = 5


class Agents(Protocol):
    """Agents in the database."""

    def load_prompt_state(self, org_id: OrgId, agent_id: str) -> State:
        """The agent with its blocks and tools.

        Raises:
            NotFound: no such agent.
        """
        ...


class Effects(Protocol):
    """Where what a tool did is written."""

    def write_tool_effects(
        self,
        org_id: OrgId,
        agent_id: str,
        changes: BlockChanges,
        passages: Sequence[NewPassage],
        *,
        new_archive_id: str,
    ) -> bool:
        """Write edits and passages, all or none; False when a block has changed since."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDesk:
    """Runs single tools."""

    agents: Agents
    effects: Effects
    deps: EngineDeps

    def run(
        self,
        org_id: OrgId,
        agent_id: str,
        tool_name: str,
        arguments: JsonObject,
        *,
        deadline: float,
    ) -> ToolRan:
        """Run a tool that an agent has, with arguments read as a model's are.

        Args:
            org_id: of the agent.
            agent_id: whose tool and memory it is.
            tool_name: of one of its tools.
            arguments: by name.
            deadline: seconds of `time.monotonic` by which it ends.

        Raises:
            NotFound: no such agent, or it has no such tool.
            Conflict: others edit the same blocks all the time; nothing was changed.
        """
        call = ToolCall(
            tool_call_id=f"call-{self.deps.new_token()}",
            name=tool_name,
            arguments=json.dumps(arguments),
        )
        reply = Reply(parts=(call,), finish="tool_calls")
        state = self.agents.load_prompt_state(org_id, agent_id)
        if tool_name not in {tool.name for tool in state.tools}:
            raise NotFound("tool", tool_name, hint=f"agent {agent_id!r} has no tool of this name")
        clock = Clock(now=self.deps.now(), tz=self.deps.zones(state.agent.timezone))
        calls = read_calls(reply, state, clock)
        lookups = [each.lookup for each in calls if each.lookup is not None]
        found = find_all(lookups, state, self.deps.for_org(org_id), deadline=deadline)
        for _ in range(_TRIES):
            result = run_calls(
                state,
                calls,
                found,
                allowed=Allowed(names=(tool_name,)),
                clock=clock,
                new_id=self.deps.new_id,
            )
            changes = block_changes(state.blocks, result)
            if self._written(state, changes, result.passages):
                (answer,) = result.returns
                return ToolRan(
                    text=answer.text,
                    status=answer.status,
                    stdout=answer.stdout,
                    stderr=answer.stderr,
                )
            fresh = self.agents.load_prompt_state(org_id, agent_id)
            state = replace(state, blocks=fresh.blocks)
        raise Conflict(f"the blocks of agent {agent_id!r} are being edited by others; try again")

    def _written(self, state: State, changes: BlockChanges, passages: Sequence[NewPassage]) -> bool:
        if not (changes.edited or changes.created or changes.detached or passages):
            return True
        return self.effects.write_tool_effects(
            state.org_id,
            state.agent.id,
            changes,
            passages,
            new_archive_id=self.deps.new_id("archive"),
        )
