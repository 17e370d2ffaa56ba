"""The paging parameters of every list, read in one place.

A route takes `page: Annotated[Page, page_of("agent")]`. A limit above the maximum is lowered, not
refused: the SDKs go on until a page is empty, so nothing is missed.
"""

from typing import Annotated, Any

from fastapi import Depends, Query

from remanence.api.ids import check_id
from remanence.core.ids import Kind
from remanence.db.paging import Order, Page
from remanence.errors import InvalidRequest

MAX_LIMIT = 1000

BeforeQuery = Annotated[
    str | None, Query(description="An item's id: what comes directly before it in the sort order.")
]
AfterQuery = Annotated[
    str | None, Query(description="An item's id: what follows it in the sort order.")
]
LimitQuery = Annotated[
    int, Query(ge=1, description=f"How many at most; no page holds more than {MAX_LIMIT}.")
]
OrderQuery = Annotated[
    Order, Query(description="asc: oldest (smallest) first; desc: newest (largest) first.")
]
OrderByQuery = Annotated[str, Query(description="The field to sort by.")]


def page_of(
    kind: Kind,
    *,
    limit: int = 50,
    order: Order = "desc",
    sortable: tuple[str, ...] = ("created_at",),
) -> Any:
    """A dependency that reads one page of things of this kind, with the list's own defaults.

    Args:
        kind: of the ids that may stand as cursors.
        limit: items in a page when the caller does not say.
        order: the order when the caller does not say.
        sortable: the fields it may be sorted by; the first is the default.
    """
    own = Page(limit=limit, order=order, order_by=sortable[0])

    async def read_page(
        before: BeforeQuery = None,
        after: AfterQuery = None,
        limit: LimitQuery = own.limit,
        order: OrderQuery = own.order,
        order_by: OrderByQuery = own.order_by,
    ) -> Page:
        for name, cursor in (("before", before), ("after", after)):
            if cursor:
                check_id(kind, cursor, field=f"{name} in the query")
        check_order_by(order_by, sortable)
        return Page(
            before=before or None,
            after=after or None,
            limit=min(limit, MAX_LIMIT),
            order=order,
            order_by=order_by,
        )

    return Depends(read_page)


def check_order_by(wanted: str, sortable: tuple[str, ...]) -> None:
    """Refuse a field a list cannot be sorted by.

    Raises:
        InvalidRequest: with the fields it can be sorted by.
    """
    if wanted not in sortable:
        raise InvalidRequest(
            f"order_by in the query: must be one of {', '.join(sortable)}", field="order_by"
        )
