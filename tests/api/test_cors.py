"""Calls from web pages: whose scripts may read what is answered, and who is not even told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from support.server import serving

from remanence.errors import SettingsError
from remanence.settings import Settings, read_origins

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database
    from support.server import Server

KEY = "a-key-of-a-test"
PAGE = "https://app.example.org"
OTHER = "https://elsewhere.example"


@pytest.fixture(scope="module")
def open_to_page(database: Database) -> Generator[Server]:
    with serving(database, api_key=KEY, cors_origins=(PAGE,)) as running:
        yield running


def asks(origin: str) -> dict[str, str]:
    """What a browser sends before a call."""
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type,if-match",
    }


def test_browser_may_ask_without_the_key(open_to_page: Server) -> None:
    answer = httpx.options(f"{open_to_page.base_url}/v1/agents/agent-1", headers=asks(PAGE))

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert "if-match" in answer.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in answer.headers


def test_page_reads_answers_and_refusals(open_to_page: Server) -> None:
    url = f"{open_to_page.base_url}/v1/agents/"
    headers = {"Origin": PAGE}

    listed = httpx.get(url, headers=headers | {"Authorization": f"Bearer {KEY}"})
    refused = httpx.get(url, headers=headers)

    assert (listed.status_code, refused.status_code) == (200, 401)
    for answer in (listed, refused):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "ETag" in answer.headers["access-control-expose-headers"]


def test_page_that_is_not_named_is_not_allowed(open_to_page: Server) -> None:
    url = f"{open_to_page.base_url}/v1/agents/"

    asked = httpx.options(url, headers=asks(OTHER))
    called = httpx.get(url, headers={"Origin": OTHER, "Authorization": f"Bearer {KEY}"})

    assert asked.status_code == 400
    assert "access-control-allow-origin" not in asked.headers
    assert "access-control-allow-origin" not in called.headers


def test_without_origins_nothing_is_said(database: Database) -> None:
    with serving(database) as server:
        answer = httpx.get(f"{server.base_url}/v1/health/", headers={"Origin": PAGE})

    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_origins_are_read_from_a_list() -> None:
    assert read_origins(f" {PAGE}, http://localhost:5173 ,") == (PAGE, "http://localhost:5173")


@pytest.mark.parametrize(
    "wrong", ["app.example.org", f"{PAGE}/", f"{PAGE}/page", "https://*.example"]
)
def test_origin_that_no_browser_sends_is_refused_at_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="REMANENCE_CORS_ORIGINS"):
        Settings.from_env({"REMANENCE_CORS_ORIGINS": wrong})
