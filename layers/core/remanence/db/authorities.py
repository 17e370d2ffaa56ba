"""Whose signature proves that a database is the one that was meant.

Path: `connect.py` asks, where a URI wants proof (`sslmode=verify-full`) and names no root
certificate itself. Supabase signs its servers' certificates with a root of its own, which no system
knows; it is public, and lies beside this file (valid to April 2031).
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROVEN = {"verify-ca", "verify-full"}
_SUPABASE = (".supabase.com", ".supabase.co")


def root_for(target: Mapping[str, str]) -> str | None:
    """The file of the root certificate to trust; None: libpq's own choice.

    Only where proof is wanted: libpq takes a root certificate to mean that it is, whatever
    `sslmode` says.
    """
    if "sslrootcert" in target or target.get("sslmode") not in _PROVEN:
        return None
    if not target.get("host", "").lower().endswith(_SUPABASE):
        return None
    return str(files("remanence.db") / "supabase-root-2021.pem")
