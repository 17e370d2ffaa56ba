"""CloudFormation custom resource, or any event by hand: apply pending migrations."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from remanence import wiring
from remanence.aws.observe import observed
from remanence.aws.stack import migrate_for


def _handle(event: dict[str, Any], context: LambdaContext) -> object:
    return migrate_for(event, context, migrate=wiring.lambda_migrate)


handler = observed(_handle)
