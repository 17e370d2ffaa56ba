"""Running a custom tool in the ToolFunction: a Lambda function without rights and secrets.

Path: engine.lookups -> LambdaSandbox.run -> functions/tool -> sandbox.local. An invocation is
never repeated here: whether a tool may run twice is decided where its call is recorded.
"""

from __future__ import annotations

import json
import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

from remanence.core.custom_tools import ToolRan
from remanence.sandbox.exchange import ran_from_json, run_to_json

if TYPE_CHECKING:
    from remanence.core.custom_tools import ToolRun

log = logging.getLogger(__name__)

# What starting the function, and the way there and back, may take beside the tool, in seconds.
_WAY_S = 5.0
_LONGEST_S = 300.0


class LambdaSandbox:
    """Runs tools by invoking a function."""

    def __init__(self, function_name: str) -> None:
        self._function_name = function_name

    def run(self, run: ToolRun, *, timeout_s: float) -> ToolRan:
        """Run a tool to its end, or until its time is over. Never raises for what a tool does."""
        seconds = min(timeout_s - _WAY_S, _LONGEST_S)
        if seconds <= 0:
            return ToolRan(text=f"{run.tool.name} failed: there was no time left", status="error")
        request = json.dumps(run_to_json(run, seconds)).encode()
        try:
            answer = self._client.invoke(
                FunctionName=self._function_name,
                # In tenant isolation mode no two organizations share an environment.
                TenantId=run.org_id,
                Payload=request,
            )
            payload = json.loads(answer["Payload"].read())
        except self._failures as error:
            log.exception("the tool function could not be asked to run %s", run.tool.id)
            text = f"{run.tool.name} failed: the sandbox did not answer ({type(error).__name__})"
            return ToolRan(text=text, status="error")
        if answer.get("FunctionError"):
            log.warning("the tool function failed at %s", run.tool.id)
            text = f"{run.tool.name} failed: its sandbox ended (too much time or memory)"
            return ToolRan(text=text, status="error")
        return ran_from_json(payload)

    @cached_property
    def _client(self) -> Any:
        import boto3  # noqa: PLC0415  0.2 s of CPU, only for those who run tools
        from botocore.config import Config  # noqa: PLC0415

        # Stubs of this service are not installed, so its type is unknown.
        return boto3.client(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            "lambda",
            config=Config(
                connect_timeout=2,
                read_timeout=int(_LONGEST_S + _WAY_S),
                retries={"total_max_attempts": 1},
            ),
        )

    @cached_property
    def _failures(self) -> tuple[type[Exception], ...]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        return BotoCoreError, ClientError, ValueError
