"""Pages of a list: what a caller asks for, and how a statement is told.

Every list is read by key, never by offset: the cursor is the id of an item, and the page holds
the items next to it in the sort order. `db/sql/list_*.sql` all take `Page.params()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remanence.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.ids import OrgId
    from remanence.db.queries import Queries, Row

Order = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list.

    Both cursors are exclusive and relative to the sort order: `after` gives what follows the
    item, `before` what comes directly before it; with both, what lies between, from `after` on.
    """

    before: str | None = None
    after: str | None = None
    limit: int = 50
    order: Order = "desc"
    order_by: str = "created_at"

    @property
    def cursors(self) -> list[str]:
        """The ids of the items this page is relative to."""
        return [cursor for cursor in (self.before, self.after) if cursor is not None]

    def params(self) -> dict[str, object]:
        """The parameters of a list statement.

        `lower_id` and `upper_id` bound the sort key from below and above, whatever the order;
        `scan_up` says from which end the page is filled, `ascending` how it is shown.
        """
        ascending = self.order == "asc"
        lower, upper = (self.after, self.before) if ascending else (self.before, self.after)
        return {
            "lower_id": lower,
            "upper_id": upper,
            "ascending": ascending,
            "scan_up": ascending != (self.before is not None and self.after is None),
            "page_limit": self.limit,
        }


def list_page(
    queries: Queries, name: str, org_id: OrgId, page: Page, **filters: object
) -> Sequence[Row]:
    """The rows of one page of the list statement `name`.

    Raises:
        InvalidRequest: a cursor names an item that does not exist.
    """
    rows = queries.rows(name, org_id, **page.params(), **filters)
    if not rows and page.cursors:
        # An unknown cursor compares with nothing, so its page is always empty: look only then.
        unknown = queries.one("find_unknown_cursor", org_id, ids=page.cursors)
        if unknown is not None:
            raise InvalidRequest(
                f"the cursor {unknown['id']!r} does not exist, or no longer does", field="cursor"
            )
    return rows
