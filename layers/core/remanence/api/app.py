"""The HTTP application: its routes, its gate and its error answers, over one `Deps`.

Path: functions/api, functions/chat and the local server call `create_app` and serve the result.
Nothing is opened here, and no provider SDK is imported.
"""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute

from remanence import __version__
from remanence.api.deps import Deps
from remanence.api.document import describe
from remanence.api.errors import install_error_handlers
from remanence.api.gate import Gate
from remanence.api.routes import ROUTERS, docs
from remanence.api.wire.problems import PROBLEMS

_DESCRIPTION = (
    "Agents that remember. The protocol is the one the official Letta SDKs speak; "
    "point their `base_url` here."
)

# How long a browser may remember that it may call: the longest that Chromium takes.
_PREFLIGHT_S = 7200


def create_app(deps: Deps) -> FastAPI:
    """The application; `app.state.deps` is what its routes work with."""
    app = _Application(
        title="Remanence",
        version=__version__,
        description=_DESCRIPTION,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        docs_url=None,
        redoc_url=None,
        responses=PROBLEMS,
    )
    app.state.deps = deps
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(docs.router)
    # The last one added is the first to see a request.
    app.add_middleware(Gate, api_key=deps.api_key, collections=_collections())
    install_error_handlers(app)
    if deps.cors_origins:
        # Outside of the gate: a browser asks first, without the key, and reads refusals too.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=deps.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
            allow_headers=["*"],
            expose_headers=["ETag", "Retry-After", "X-Should-Retry"],
            max_age=_PREFLIGHT_S,
        )
    return app


class _Application(FastAPI):
    """One whose document describes every field."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made when it is first asked for."""
        if self.openapi_schema is None:
            describe(super().openapi())
        return super().openapi()


def _collections() -> set[str]:
    """The paths that end in a slash, which are served without it too."""
    return {path for router in ROUTERS for path in _paths(router) if path.endswith("/")}


def _paths(router: APIRouter) -> list[str]:
    return [route.path for route in router.routes if isinstance(route, APIRoute)]


def _operation_id(route: APIRoute) -> str:
    """The name of the route's function, which the house keeps unique."""
    return route.name
