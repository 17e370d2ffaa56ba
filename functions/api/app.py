"""API Gateway, proxy event: the routes that call no model."""

from typing import Any

from aws_lambda_powertools.logging.correlation_paths import API_GATEWAY_REST
from mangum import Mangum

from remanence import wiring
from remanence.aws.ahead import start_ahead
from remanence.aws.observe import observed
from remanence.engine.watch import log_step

# "off": Mangum would otherwise start and stop the app at every event.
_answer = Mangum(wiring.lambda_api_app(), lifespan="off")


def _handle(event: dict[str, Any], context: Any) -> object:
    return _answer(event, context)


handler = observed(_handle, correlation_id_path=API_GATEWAY_REST)
start_ahead(log_step)
