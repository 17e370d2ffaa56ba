"""Every operation of the official SDK has an answer here: served, empty, or 501."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import letta_client
import pytest
from support.server import new_id

from remanence.api.routes import ROUTERS
from remanence.api.routes.unserved import EMPTY_LISTS, NOT_SERVED

if TYPE_CHECKING:
    from support.server import Server

_RESOURCES = Path(letta_client.__file__).parent
_CALL = re.compile(
    r"self\._?(get|post|patch|put|delete|get_api_list)\(\s*(?:path_template\(\s*)?\"(/v1/[^\"]*)\""
)
UNSERVED = [operation for group in NOT_SERVED.values() for operation in group]


def sdk_operations() -> set[tuple[str, str]]:
    sources = [*(_RESOURCES / "resources").rglob("*.py"), _RESOURCES / "_client.py"]
    found = {match for path in sources for match in _CALL.findall(path.read_text())}
    return {
        ("GET" if verb == "get_api_list" else verb.upper(), _shape(path)) for verb, path in found
    }


def _shape(path: str) -> str:
    """The path with its parameters without names."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def served_operations() -> list[tuple[str, str]]:
    return [
        (method, _shape(route.path))
        for router in ROUTERS
        for route in router.routes
        for method in route.methods
    ]


def test_every_operation_of_the_sdk_is_known() -> None:
    operations = sdk_operations()

    assert len(operations) == 129
    assert operations - set(served_operations()) == set()


def test_nothing_is_both_served_and_refused() -> None:
    operations = served_operations()

    twice = {operation for operation in operations if operations.count(operation) > 1}
    assert twice == set()


@pytest.mark.parametrize(("path", "answer"), EMPTY_LISTS.items())
def test_list_of_what_nobody_can_make_is_empty(server: Server, path: str, answer: object) -> None:
    found = httpx.get(server.base_url + re.sub(r"\{[^}]*\}", new_id("agent"), path))

    assert (found.status_code, found.json()) == (200, answer)


@pytest.mark.parametrize(("method", "path"), UNSERVED)
def test_operation_that_is_not_served_says_so_once(server: Server, method: str, path: str) -> None:
    address = server.base_url + re.sub(r"\{[^}]*\}", new_id("agent"), path)

    answer = httpx.request(method, address, json={} if method != "GET" else None)

    assert answer.status_code == 501
    assert answer.json()["detail"].endswith("are not served yet")
    assert answer.headers["x-should-retry"] == "false"


def test_openapi_describes_what_is_served(server: Server) -> None:
    document = httpx.get(f"{server.base_url}/openapi.json", timeout=60).json()

    fields = document["components"]["schemas"]["CreateAgent"]["properties"]
    assert len(fields) >= 47
    assert fields["memory_blocks"]["description"]
    assert "/v1/agents/{agent_id}" in document["paths"]
    operation_ids = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert len(operation_ids) == len(set(operation_ids))
    assert httpx.get(f"{server.base_url}/docs").status_code == 200
