"""What the ToolFunction answers: one request, one run in a process of its own.

Path: functions/tool/app.py -> serve_run -> LocalSandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from remanence.sandbox.exchange import ran_to_json, run_from_json

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject
    from remanence.sandbox.local import LocalSandbox


def serve_run(sandbox: LocalSandbox, request: dict[str, Any]) -> JsonObject:
    """Run what a LambdaSandbox asks for."""
    run, timeout_s = run_from_json(request)
    return ran_to_json(sandbox.run(run, timeout_s=timeout_s))
