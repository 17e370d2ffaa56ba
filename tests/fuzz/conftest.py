"""Makes the running server a fixture of this folder."""

from support.server import server

__all__ = ["server"]
