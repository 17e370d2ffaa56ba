"""infra/openapi.json is what the routes really are (`make openapi` writes it)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from remanence.api.routes import ROUTERS, unserved

if TYPE_CHECKING:
    from support.server import Server

DOCUMENT = Path(__file__).parents[2] / "infra/openapi.json"


def test_openapi_file_is_what_is_served(server: Server, rewrite: bool) -> None:
    document = httpx.get(f"{server.base_url}/openapi.json", timeout=60).json()
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if rewrite:
        DOCUMENT.write_text(text)

    assert DOCUMENT.read_text() == text, "run `make openapi` and review the diff"


def test_openapi_describes_every_served_operation(server: Server) -> None:
    paths = httpx.get(f"{server.base_url}/openapi.json", timeout=60).json()["paths"]

    for router in ROUTERS:
        if router is unserved.router:
            continue
        for route in router.routes:
            for method in route.methods:
                described = paths[route.path_format][method.lower()]
                assert described.get("description") or described.get("summary")
                assert "200" in described["responses"] or "204" in described["responses"]


def test_openapi_types_the_answers_with_messages(server: Server) -> None:
    document = httpx.get(f"{server.base_url}/openapi.json", timeout=60).json()

    lists = [path for path in document["paths"] if path.endswith("/messages")]
    assert len(lists) >= 4
    for path in lists:
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]
        assert schema["application/json"]["schema"]["items"]["discriminator"]
