"""Where a caller wants to be told that its run is over.

Path: wire/inputs.py -> here. Whether the address may be reached is decided when it is called
(dispatch/callback.py): a name may point elsewhere by then.
"""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from remanence.core.addresses import is_address, is_public
from remanence.errors import InvalidRequest

CallbackMethod = Literal["POST", "PUT"]
_MAX_CHARS = 2_000
# RFC 1035, and underscores, which names of containers have.
_MAX_HOST_CHARS = 253
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_fit = (
            parts.scheme in ("http", "https")
            and _is_host(parts.hostname or "")
            and (parts.port is None or parts.port > 0)
            and parts.username is None
            and url.isascii()
            and url.isprintable()
            and " " not in url
            and len(url) <= _MAX_CHARS
        )
    except ValueError:
        is_fit = False
    if not is_fit:
        raise PydanticCustomError(
            "callback_url", "must be an http or https URL with a host and without a user name"
        )
    return url


def _is_host(host: str) -> bool:
    """Whether it is an IP address, or a name that can be looked up.

    Shortened and hexadecimal addresses are neither: what they mean differs between resolvers.
    """
    if is_address(host):
        return True
    labels = host.removesuffix(".").split(".")
    return (
        len(host) <= _MAX_HOST_CHARS
        and all(_LABEL.fullmatch(label) for label in labels)
        and not _NUMBER.fullmatch(labels[-1])
    )


CallbackUrl = Annotated[str, AfterValidator(_checked)]


def check_reachable(url: str) -> None:
    """Refuse at once what would be refused when the run is over.

    Raises:
        InvalidRequest: it names a private address.
    """
    host = (urlsplit(url).hostname or "").removesuffix(".")
    is_local = host == "localhost" or host.endswith(".localhost")
    if is_local or (is_address(host) and not is_public(host)):
        raise InvalidRequest(
            "callback_url: private, loopback and link-local addresses are not called",
            field="callback_url",
        )
