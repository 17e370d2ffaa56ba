"""A dispatcher for processes that run no agents: commands that only read and write."""

from __future__ import annotations

from typing import NoReturn


class NoDoorbell:
    """Nothing runs here, so nothing is rung for."""

    def ring(self, org_id: str, conversation_id: str, run_id: str) -> NoReturn:
        """Never called.

        Raises:
            NotImplementedError: it was.
        """
        raise NotImplementedError
