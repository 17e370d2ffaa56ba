"""Images as callers give them, checked before they are stored.

Path: wire/contents.py, wire/chat_completions.py and wire/responses.py -> here -> core parts. What
no provider reads is refused here: stored once, it would be in every later prompt.
"""

import base64
import re

from remanence.core.exchange import Image
from remanence.errors import InvalidRequest

_DATA_URL = "data:"
_MEDIA_TYPE = re.compile(r"image/[a-z0-9.+-]+")


def image_at(url: str, detail: str | None = None) -> Image:
    """An image by its address, or out of a data URL.

    Raises:
        InvalidRequest: another kind of address, or a data URL without an image in base64.
    """
    if url.startswith(("https://", "http://")):
        return Image(url=url, detail=detail)
    head, _, data = url.removeprefix(_DATA_URL).partition(",")
    media_type, _, encoding = head.partition(";")
    if not url.startswith(_DATA_URL) or encoding != "base64":
        raise InvalidRequest(
            "image: its url must be an https address or data:image/<type>;base64,<data>",
            field="url",
        )
    return image_of_base64(media_type, data, detail)


def image_of_base64(media_type: str, data: str, detail: str | None = None) -> Image:
    """An image in the request itself; line breaks in its base64 are left out.

    Raises:
        InvalidRequest: no type of an image, or no base64.
    """
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise InvalidRequest(
            "image: its media_type must be that of an image, such as image/png", field="media_type"
        )
    joined = "".join(data.split())
    if not joined or not _is_base64(joined):
        raise InvalidRequest(
            "image: its data must be base64, in the standard alphabet and padded", field="data"
        )
    return Image(media_type=media_type, data=joined, detail=detail)


def _is_base64(data: str) -> bool:
    try:
        base64.b64decode(data, validate=True)
    except ValueError:  # of what is not ASCII, too
        return False
    return True
