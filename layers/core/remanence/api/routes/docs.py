"""The page at /docs, for people: made of the OpenAPI document, and of two files of its own.

It loads nothing from anywhere else, and its policy forbids it to.
"""

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from remanence.api.docs_page import page_of

router = APIRouter(include_in_schema=False)

_POLICY = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


@router.get("/docs")
def read_docs(request: Request) -> Response:
    """The page; made anew for each reader, in some milliseconds."""
    page = page_of(request.app.openapi())
    return Response(page, media_type="text/html; charset=utf-8", headers=_POLICY)


@router.get("/docs/docs.css")
def read_style() -> Response:
    """Its style."""
    return Response(_file("docs.css"), media_type="text/css; charset=utf-8", headers=_POLICY)


@router.get("/docs/docs.js")
def read_script() -> Response:
    """Its filter."""
    return Response(_file("docs.js"), media_type="text/javascript; charset=utf-8", headers=_POLICY)


@cache
def _file(name: str) -> str:
    return (files("remanence.api") / "static" / name).read_text(encoding="utf-8")
