"""Every route that API Gateway leads to the built function of the API is answered by it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastapi.routing import APIRoute
from support.lambda_world import a_request
from support.template import function_for

from remanence.api.routes import ROUTERS

if TYPE_CHECKING:
    from support.lambda_world import LambdaWorld

NOBODYS = "00000000-0000-4000-8000-000000000000"
PREFIXES = {"conversation": "conv", "response": "resp"}


def served() -> list[str]:
    """The paths of what can be read through the function, by API Gateway's own choice."""
    return [
        route.path
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        and "GET" in route.methods
        and function_for("GET", re.sub(r"\{[^}]+\}", "x", route.path)) == "ApiFunction"
    ]


def of_nobody(path: str) -> str:
    """The path with ids that are well formed, and of nothing."""
    named = re.sub(
        r"\{(\w+)_id\}", lambda kind: f"{PREFIXES.get(kind[1], kind[1])}-{NOBODYS}", path
    )
    return re.sub(r"\{\w+\}", "1", named)


def test_every_list_is_answered_and_every_unknown_thing_is_not_found(
    lambda_world: LambdaWorld,
) -> None:
    with lambda_world.function("api") as api:
        statuses = {
            path: api.invoke(a_request("GET", of_nobody(path)))["statusCode"] for path in served()
        }

    lists = {path: status for path, status in statuses.items() if "{" not in path}
    things = {path: status for path, status in statuses.items() if "_id}" in path}
    assert len(lists) > 15
    assert len(things) > 20
    # 422: what the query has to name is not named. 501: not served, and said so.
    assert set(lists.values()) <= {200, 422, 501}, lists
    assert list(lists.values()).count(200) > len(lists) / 2
    # 200: a list of what nobody has is empty.
    assert set(things.values()) <= {200, 404, 422, 501}, things
    assert 404 in things.values()
