"""Operations of the protocol that are not served yet, as a table.

A list of what nobody can have made is empty, in the shape its client reads; everything else is
501, which tells the SDKs not to try again. Included last: a route that serves one of these wins.
"""

from collections.abc import Callable

from fastapi import APIRouter

from remanence.core.exchange import JsonValue
from remanence.errors import NotSupported

router = APIRouter(include_in_schema=False)

_AGENT = "/v1/agents/{agent_id}"
_FOLDER = "/v1/folders/{folder_id}"
_SERVER = "/v1/mcp-servers/{mcp_server_id}"
_TEMPLATE = "/v1/templates/{template_name}"

# Path -> the empty answer to GET.
EMPTY_LISTS: dict[str, JsonValue] = {
    f"{_AGENT}/files": {"files": [], "next_cursor": None, "has_more": False},
    f"{_AGENT}/folders": [],
    f"{_AGENT}/schedule": {"scheduled_messages": [], "has_next_page": False},
    "/v1/client-side-access-tokens": {"tokens": [], "hasNextPage": False},
    "/v1/environments": {"connections": [], "hasNextPage": False},
    "/v1/folders/": [],
    f"{_FOLDER}/agents": [],
    f"{_FOLDER}/files": [],
    "/v1/groups/": [],
    "/v1/mcp-servers/": [],
    f"{_SERVER}/tools": [],
}

# What is not served -> method and path of its operations.
NOT_SERVED: dict[str, tuple[tuple[str, str], ...]] = {
    "client-side access tokens": (
        ("POST", "/v1/client-side-access-tokens"),
        ("DELETE", "/v1/client-side-access-tokens/{token}"),
    ),
    "environments": (
        ("GET", "/v1/environments/{device_id}"),
        ("POST", "/v1/environments/{connection_id}/messages"),
    ),
    "folders and files": (
        ("PATCH", f"{_AGENT}/files/close-all"),
        ("PATCH", f"{_AGENT}/files/{{file_id}}/close"),
        ("PATCH", f"{_AGENT}/files/{{file_id}}/open"),
        ("PATCH", f"{_AGENT}/folders/attach/{{folder_id}}"),
        ("PATCH", f"{_AGENT}/folders/detach/{{folder_id}}"),
        ("POST", "/v1/folders/"),
        ("GET", _FOLDER),
        ("PATCH", _FOLDER),
        ("DELETE", _FOLDER),
        ("GET", f"{_FOLDER}/files/{{file_id}}"),
        ("POST", f"{_FOLDER}/upload"),
        ("DELETE", f"{_FOLDER}/{{file_id}}"),
    ),
    "MCP servers": (
        ("POST", "/v1/mcp-servers/"),
        ("GET", _SERVER),
        ("PATCH", _SERVER),
        ("DELETE", _SERVER),
        ("PATCH", f"{_SERVER}/refresh"),
        ("GET", f"{_SERVER}/tools/{{tool_id}}"),
        ("POST", f"{_SERVER}/tools/{{tool_id}}/run"),
    ),
    "schedules": (
        ("POST", f"{_AGENT}/schedule"),
        ("GET", f"{_AGENT}/schedule/{{scheduled_message_id}}"),
        ("DELETE", f"{_AGENT}/schedule/{{scheduled_message_id}}"),
    ),
    "templates": (
        ("POST", "/v1/templates"),
        ("PATCH", _TEMPLATE),
        ("DELETE", _TEMPLATE),
        ("POST", f"{_TEMPLATE}/rollback"),
        ("POST", f"{_TEMPLATE}/save"),
        ("POST", "/v1/templates/{template_version}/agents"),
    ),
}


def _empty(answer: JsonValue) -> Callable[[], JsonValue]:
    def list_nothing() -> JsonValue:
        return answer

    return list_nothing


def _refusing(what: str) -> Callable[[], None]:
    def refuse() -> None:
        raise NotSupported(f"{what} are not served yet")

    return refuse


for _path, _answer in EMPTY_LISTS.items():
    router.add_api_route(_path, _empty(_answer), methods=["GET"], response_model=None)
for _what, _operations in NOT_SERVED.items():
    for _method, _path in _operations:
        router.add_api_route(_path, _refusing(_what), methods=[_method], status_code=501)
