"""SQS FIFO event: one step of a conversation for each doorbell."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from remanence import wiring
from remanence.aws.ahead import start_ahead
from remanence.aws.bells import answer_bells
from remanence.aws.observe import observed
from remanence.aws.watch import trace_step


def _handle(event: dict[str, Any], context: LambdaContext) -> object:
    return answer_bells(
        event, context, advance=wiring.lambda_step(trace_step), postpone=wiring.lambda_postpone()
    )


handler = observed(_handle)
start_ahead(trace_step)
