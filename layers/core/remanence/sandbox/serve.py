"""What the ToolFunction answers: one request, one run in a process of its own.

Path: functions/tool/app.py -> serve_run -> LocalSandbox. A deployment decides about the network
of its function (a VPC without a way out has none), so the run itself does not refuse it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from remanence.sandbox.exchange import ran_to_json, run_from_json
from remanence.sandbox.local import LocalSandbox, ToolLimits

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject

# The caller says how long; the function's own time limit bounds that.
_LIMITS = ToolLimits(seconds=300.0, at_once=1)


def serve_run(request: dict[str, Any]) -> JsonObject:
    """Run what a LambdaSandbox asks for."""
    run, timeout_s = run_from_json(request)
    return ran_to_json(_sandbox().run(run, timeout_s=timeout_s))


@cache
def _sandbox() -> LocalSandbox:
    return LocalSandbox(limits=_LIMITS, network=True)
