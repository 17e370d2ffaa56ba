"""API Gateway, streamed: the routes that run an agent. run.sh serves `app` over HTTP."""

from remanence import wiring
from remanence.aws.ahead import start_ahead_asgi
from remanence.aws.observe import observed_asgi
from remanence.aws.watch import watch_step

_served = wiring.lambda_chat_app(watch_step)

app = start_ahead_asgi(observed_asgi(_served, is_adapted=_served.is_adapted), watch_step)
