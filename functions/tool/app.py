"""Direct invocation: runs one custom tool, with no rights and no secrets."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from remanence import wiring
from remanence.aws.observe import observed


def _handle(event: dict[str, Any], _context: LambdaContext) -> object:
    return wiring.lambda_tool()(event)


handler = observed(_handle)
