"""The tags in use. Their cursors are tags, not ids."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.deps import ThisCall
from remanence.api.pages import MAX_LIMIT
from remanence.db.paging import Order, Page

router = APIRouter(tags=["tags"])


class TagQuery(BaseModel):
    """The parameters of the list of tags."""

    before: str | None = Field(default=None, description="Tags directly before this one.")
    after: str | None = Field(default=None, description="Tags after this one.")
    limit: int = Field(default=50, ge=1, description="How many at most.")
    order: Order = Field(default="asc", description="asc: from a to z; desc: from z to a.")
    order_by: Literal["name"] = "name"
    name: str | None = Field(default=None, description="A part of the tag.")
    query_text: str | None = Field(default=None, description="Old form of `name`.")


@router.get("/v1/tags/")
def list_tags(query: Annotated[TagQuery, Query()], call: ThisCall) -> list[str]:
    """List the tags of agents and blocks, in alphabetical order."""
    page = Page(
        before=query.before,
        after=query.after,
        limit=min(query.limit, MAX_LIMIT),
        order=query.order,
        order_by=query.order_by,
    )
    return call.deps.catalog.list_tags(call.org_id, page, query.name or query.query_text)
