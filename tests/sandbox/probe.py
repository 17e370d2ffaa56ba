"""Runs a few tools under another Python and user, and prints what they could do. Not a test."""

import json

from remanence.core.custom_tools import ToolRun
from remanence.core.ids import ToolId
from remanence.core.types import Tool
from remanence.sandbox.local import LocalSandbox

ESCAPES = (
    "open('/etc/passwd').read()",
    "open(f'/proc/{os.getppid()}/environ').read()",
    "os.fork()",
    "os.kill(os.getppid(), 9)",
    "__import__('_socket').socket()",
    "os.listdir('/tmp')",
)


def run(expression: str) -> str:
    tool = Tool(
        id=ToolId("tool-1"),
        name="tool",
        description="",
        tool_type="custom",
        parameters={},
        source_code=f"import os\ndef tool():\n    return {expression}\n",
    )
    call = ToolRun(tool_call_id="c", tool=tool, arguments={}, org_id="o", agent_id="a")
    ran = LocalSandbox().run(call, timeout_s=20)
    return ran.text if ran.status == "success" else f"refused: {ran.text}"


print(
    json.dumps(
        {
            "text": run("2 + 2"),
            "user": int(run("os.getuid()")),
            "escaped": [each for each in ESCAPES if not run(each).startswith("refused")],
        }
    )
)
