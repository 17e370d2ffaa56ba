"""Schedule event: ring again for what was left hanging, and compact windows that are full."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from remanence import wiring
from remanence.aws.observe import observed
from remanence.aws.sweep import sweep_for


def _handle(_event: dict[str, Any], context: LambdaContext) -> object:
    return sweep_for(context, sweep=wiring.lambda_sweep())


handler = observed(_handle)
