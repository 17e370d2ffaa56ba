"""The page for people: complete, of nothing but its own files, and safe to show."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest

from remanence.api.docs_page import page_of

if TYPE_CHECKING:
    from support.server import Server


class Page(HTMLParser):
    """What a page loads, links to and names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name))]


@pytest.fixture(scope="module")
def answer(server: Server) -> httpx.Response:
    return httpx.get(f"{server.base_url}/docs", timeout=60)


@pytest.fixture(scope="module")
def document(server: Server) -> Any:
    return httpx.get(f"{server.base_url}/openapi.json", timeout=60).json()


def test_page_shows_every_operation_and_every_field_with_its_words(
    answer: httpx.Response, document: Any
) -> None:
    page = Page(answer.text)
    ids, words = set(page.values("id")), "".join(page.words)

    assert page.open == []
    for path, operations in document["paths"].items():
        assert path in words
        assert {operation["operationId"] for operation in operations.values()} <= ids
    for name, schema in document["components"]["schemas"].items():
        assert f"type-{name}" in ids
        for field, described in schema.get("properties", {}).items():
            assert field in words
            assert described["description"].replace("`", "") in words


def test_page_loads_its_own_files_only(server: Server, answer: httpx.Response) -> None:
    page = Page(answer.text)
    loaded = [
        attributes.get("src") or attributes.get("href")
        for tag, attributes in page.tags
        if tag in {"script", "link", "img", "iframe"}
    ]

    assert loaded == ["docs/docs.css", "docs/docs.js"]
    for name in loaded:
        file = httpx.get(urljoin(f"{server.base_url}/docs", name))
        assert file.status_code == 200
        assert not re.search(r"https?:|@import|url[(]", file.text)
    inner = {link for link in page.values("href") if link.startswith("#")}
    assert {link[1:] for link in inner} <= set(page.values("id"))


def test_policy_forbids_everything_else(answer: httpx.Response) -> None:
    policy = answer.headers["content-security-policy"]

    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert [
        name for name in Page(answer.text).tags if "style" in name[1] or "onclick" in name[1]
    ] == []


def test_page_fits_a_phone(answer: httpx.Response) -> None:
    assert "width=device-width, initial-scale=1" in Page(answer.text).values("content")


def test_words_of_the_document_are_text() -> None:
    operation = {
        "tags": ["x"],
        "operationId": "x",
        "summary": "<script>alert(1)</script>",
        "parameters": [
            {"name": "<b>", "in": "query", "schema": {"type": "string", "default": "<i>"}}
        ],
        "responses": {"200": {"description": "<u>"}},
    }
    info = {"title": "<t>", "version": "1", "description": "<d>"}

    page = page_of(
        {"info": info, "paths": {"/": {"get": operation}}, "components": {"schemas": {}}}
    )

    assert not re.search("<(b|i|u|t|d)>", page)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
