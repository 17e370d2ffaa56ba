"""What requests say about versions: which one they mean, and whether nothing may be left."""

import re
from typing import Annotated

from fastapi import Depends, Header, Query

from remanence.errors import InvalidRequest

EraseQuery = Annotated[
    bool,
    Query(description="Erase its earlier versions too: it cannot be brought back."),
]
BeforeVersionQuery = Annotated[
    int | None, Query(ge=1, lt=2**31, description="Only versions below this number.")
]
VersionLimitQuery = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]


def etag_of(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


async def _version_in(
    if_match: Annotated[
        str | None,
        Header(
            description="The ETag of the version that was read: what has changed since then is "
            "left alone, and the answer is 412 with both sides."
        ),
    ] = None,
) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    match = re.fullmatch(r'"?(\d{1,9})"?', if_match.strip())
    if match is None:
        raise InvalidRequest(
            'If-Match in header: must be one ETag as it was sent, like "3", or *', field="If-Match"
        )
    return int(match[1])


# The version that If-Match names; None: any.
IfMatch = Annotated[int | None, Depends(_version_in)]
